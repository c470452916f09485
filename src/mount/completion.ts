/** The way of a mount to independence: fetch everything, write the raw image out, let the supervisor exchange it under the mount. */
import { ThawfsError } from '../errors.js';
import { fillImage } from '../image/fill.js';
import { isTransient, type LazyImage } from '../image/lazy-image.js';
import { writeRawCopy } from '../image/raw-copy.js';
import { pause } from '../source/pause.js';
import type { DiskStore } from '../store/disk-store.js';

/** Milliseconds between two attempts: at first, and when nothing arrives any more. */
const SHORTEST_WAIT = 1000;
const LONGEST_WAIT = 60_000;

export type CompletionState = 'idle' | 'filling' | 'writing' | 'complete' | 'failed';

export interface CompletionStatus {
  readonly state: CompletionState;
  /** Chunks here, and in all, as of the last step. */
  readonly done: number;
  readonly total: number;
  /** Why it failed, or why the image is complete but not handed over. */
  readonly reason?: string;
}

export interface CompletionOptions {
  readonly image: LazyImage;
  readonly store: DiskStore;
  /** Bytes per second; 0 = unlimited. */
  readonly rate: number;
  /** Write the raw image out. */
  readonly handover: boolean;
}

export class Completion {
  private state: CompletionStatus;
  private running: Promise<string | undefined> | undefined;
  private readonly stopped = new AbortController();

  constructor(private readonly options: CompletionOptions) {
    this.state = { state: 'idle', done: 0, total: options.image.chunkCount };
  }

  get status(): CompletionStatus { return this.state; }

  /**
   * Starts, or joins what is under way; a failed attempt is made anew.
   *
   * @returns the path of the raw image when it was written out
   * @throws what fetching throws
   */
  run(): Promise<string | undefined> {
    this.running ??= this.complete().catch((error: unknown) => {
      this.running = undefined;
      this.state = { ...this.state, state: 'failed', reason: reasonOf(error) };
      throw error;
    });
    return this.running;
  }

  /**
   * As {@link run}, as often as it takes: a link that was down comes back, and nobody asks again then.
   *
   * @throws what no waiting mends
   */
  async persist(): Promise<string | undefined> {
    let [wait, before] = [SHORTEST_WAIT, 0];
    for (;;) {
      try {
        return await this.run();
      } catch (error) {
        if (!isTransient(error)) throw error;
        const { done } = this.state;
        wait = done > before ? SHORTEST_WAIT : Math.min(2 * wait, LONGEST_WAIT);
        before = done;
        this.state = { ...this.state, reason: `${reasonOf(error)} (tried again in ${wait / 1000} s)` };
        await pause(wait, this.stopped.signal);
      }
    }
  }

  /** For good: nobody reads what would be fetched. */
  stop(): void {
    this.stopped.abort(new ThawfsError('INTERRUPTED', 'the mount is out of the tree'));
  }

  private async complete(): Promise<string | undefined> {
    const { image, store, rate, handover } = this.options;
    const { signal } = this.stopped;
    await fillImage(image, { signal, ...(rate > 0 ? { rate } : {}), onProgress: (done, total) => { this.state = { state: 'filling', done, total }; } });
    const all = { done: image.chunkCount, total: image.chunkCount };
    if (!handover) {
      this.requireAll();
      this.state = { state: 'complete', ...all, reason: 'no hand-over was wanted' };
      return undefined;
    }
    this.state = { state: 'writing', ...all };
    try {
      const path = await writeRawCopy(image, store, signal);
      this.state = { state: 'complete', ...all };
      return path;
    } catch (error) {
      if (!(error instanceof ThawfsError)) throw error;
      // Complete all the same, where they found room: it goes on being served from the chunks.
      this.requireAll();
      this.state = { state: 'complete', ...all, reason: reasonOf(error) };
      return undefined;
    }
  }

  /** @throws NO_SPACE when the store has evicted some, or did not take them */
  private requireAll(): void {
    const { image, store } = this.options;
    const here = [...image.localChunks()].length;
    if (here === image.chunkCount) return;
    this.state = { ...this.state, done: here };
    throw new ThawfsError('NO_SPACE', `${store.folder}: holds ${here} of ${image.chunkCount} chunks, no more find room`, { suggestion: 'Raise --cache-size, or free disk space.' });
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
