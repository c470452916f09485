/** What the two threads of a server share: the descriptor, a gate that a standby waits at, and counters that show a stuck thread. */
import type { ErrorRecord } from './messages.js';

/** The supervisor passes the FUSE device as this descriptor. */
export const FUSE_DESCRIPTOR = 3;
/** Images are frozen: the kernel may keep names and attributes as long as it likes. Seconds. */
export const VALID_SECONDS = 1e9;

const OPEN = 0, BUSY = 1, HANDLED = 2, LOCAL = 3;
/** Values of OPEN; 0 is closed. */
const FOR_THE_FIRST = 1, FOR_A_SUCCESSOR = 2;

/** A view of shared memory; both threads make one of the same words. */
export class SessionGate {
  constructor(readonly words: Int32Array = new Int32Array(new SharedArrayBuffer(16))) {}

  /** Lets the session thread begin. @param successor whether another server served before */
  open(successor: boolean): void {
    Atomics.store(this.words, OPEN, successor ? FOR_A_SUCCESSOR : FOR_THE_FIRST);
    Atomics.notify(this.words, OPEN);
  }

  /** Blocks the session thread until then. @returns whether another server served before */
  wait(): boolean {
    Atomics.wait(this.words, OPEN, 0);
    return Atomics.load(this.words, OPEN) === FOR_A_SUCCESSOR;
  }

  get isOpen(): boolean { return Atomics.load(this.words, OPEN) !== 0; }

  mark(busy: boolean): void {
    Atomics.store(this.words, BUSY, busy ? 1 : 0);
    if (!busy) Atomics.add(this.words, HANDLED, 1);
  }

  /** Nothing will be fetched any more: nobody has to hear of what is read. */
  setLocal(): void {
    Atomics.store(this.words, LOCAL, 1);
  }

  get isLocal(): boolean { return Atomics.load(this.words, LOCAL) === 1; }
  get busy(): boolean { return Atomics.load(this.words, BUSY) === 1; }
  /** Requests handled so far, modulo 2^32. */
  get handled(): number { return Atomics.load(this.words, HANDLED) >>> 0; }
}

/** What the thread starts with; the plan comes as its first message. */
export interface ThreadInput {
  readonly words: Int32Array;
  /** It will not serve at once: there is time to rehearse. */
  readonly standby: boolean;
  /** The thread's statistics, for the main thread to read. */
  readonly counters: Float64Array;
}

export type ThreadMessage =
  | { readonly type: 'loaded' }
  /** It could not open the image, and ends. */
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  | ThreadReport;

/** What comes up while it serves, for the half that fetches. */
export type ThreadReport =
  | { readonly type: 'deferred'; readonly request: Uint8Array; readonly missing: readonly number[] }
  /** A chunk was taken from the disk. */
  | { readonly type: 'touched'; readonly chunk: number }
  /** Bytes of the raw image were read for the first time; only while that is recorded. */
  | { readonly type: 'read'; readonly offset: number; readonly length: number }
  | { readonly type: 'interrupted'; readonly unique: bigint };
