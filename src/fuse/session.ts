/**
 * The loop of a session: blocking reads on the device, answers at once. It runs in a worker thread, because a blocking
 * read is 2.5 times faster than an asynchronous one and must not stop the main thread, which fetches what is missing.
 */
import { readSync, writeSync } from 'node:fs';
import { ChunkMissing, ifHere } from '../bytes/random-access.js';
import { isReadable } from '../sys/poll.js';
import { REQUEST_BUFFER_SIZE } from './device.js';
import { answer, type ErrnoOf } from './dispatch.js';
import type { FileSystem } from './file-system.js';
import { INTERRUPT, MAX_READ_SIZE } from './opcodes.js';
import { rehearsal } from './rehearsal.js';
import { Reply } from './reply.js';
import { Request } from './request.js';
import type { Trace } from './trace.js';

/** Room for the largest READ with its header. */
export const REPLY_BUFFER_SIZE = MAX_READ_SIZE + 4096;

/** Milliseconds without a request after which there is time to rehearse: whoever reads one block after another is not to be held up between two. */
const QUIET = 20;

export interface SessionOptions {
  /** Open and initialised. */
  readonly fd: number;
  readonly fileSystem: FileSystem;
  /** Seconds for which the kernel may cache names and attributes. */
  readonly validSeconds: number;
  readonly errnoOf: ErrnoOf;
  /** Takes over a request that needs bytes which are not here; `request` is a copy. */
  readonly defer: (request: Uint8Array, missing: ChunkMissing) => void;
  /** A process that waits for this deferred request got a signal. */
  readonly interrupted: (unique: bigint) => void;
  /** Called before and after every request: how a watchdog sees a loop that is stuck. */
  readonly busy?: (busy: boolean) => void;
  readonly trace?: Trace;
  /** How thoroughly it rehearses; each read may take memory for a chunk. */
  readonly rehearsedReads: number;
  /** Runs a part of a rehearsal, and keeps what it does from those who count or listen. */
  readonly aside?: (play: () => void) => void;
}

export class Session {
  // Touched in advance: the kernel pins these pages, and a fault in the middle of a copy under SIGKILL would fail the request.
  private readonly request = new Request(new Uint8Array(REQUEST_BUFFER_SIZE).fill(1));
  private readonly reply: Reply;
  /** What is left to rehearse; absent when nothing is. */
  private script: Iterator<Uint8Array> | undefined;

  constructor(private readonly options: SessionOptions) {
    this.reply = new Reply(new Uint8Array(REPLY_BUFFER_SIZE).fill(1), options.validSeconds);
    this.script = rehearsal(options.fileSystem, options.rehearsedReads);
  }

  /**
   * Answers made-up requests, and keeps the answers to itself; goes on where it stopped before. What is not here is left out.
   *
   * @param enough looked at before each of them
   */
  rehearse(enough: () => boolean): void {
    if (this.script === undefined || enough()) return;
    const play = (): void => {
      do if (!this.rehearseOne()) this.script = undefined;
      while (this.script !== undefined && !enough());
    };
    if (this.options.aside === undefined) play();
    else this.options.aside(play);
  }

  private rehearseOne(): boolean {
    const { request, reply, script, options: { fileSystem, errnoOf } } = this;
    const next = ifHere(() => script?.next());
    if (next === undefined || next.done === true) return false;
    request.buffer.set(next.value);
    if (request.accept(next.value.length)) ifHere(() => answer(fileSystem, request, reply, errnoOf));
    return true;
  }

  /** Serves until the file system is unmounted or its connection aborted. */
  serve(): void {
    const { request, reply, options: { fd, fileSystem, errnoOf, trace, busy, interrupted, defer } } = this;
    for (;;) {
      this.rehearseWhileQuiet();
      const received = receive(fd, request.buffer);
      if (received === undefined) break;
      if (!request.accept(received)) continue;
      busy?.(true);
      try {
        if (request.opcode === INTERRUPT) interrupted(request.bodyUnique(0));
        else if (answer(fileSystem, request, reply, errnoOf)) {
          send(fd, reply.finish());
          trace?.(request, reply);
        }
      } catch (error) {
        if (!(error instanceof ChunkMissing)) throw error;
        trace?.(request, error);
        defer(request.bytes.slice(), error);
      }
      busy?.(false);
    }
  }

  private rehearseWhileQuiet(): void {
    const { fd } = this.options;
    let patience = QUIET;
    this.rehearse(() => {
      const asked = isReadable(fd, patience);
      patience = 0;
      return asked;
    });
  }
}

/** Writes a reply. One that nobody waits for any more (ENOENT) or that came after an unmount is no failure. */
export function send(fd: number, reply: Uint8Array): void {
  try {
    writeSync(fd, reply);
  } catch (error) {
    if (!['ENOENT', 'ENODEV', 'ENOTCONN', 'EINTR'].includes(errnoName(error))) throw error;
  }
}

function receive(fd: number, buffer: Uint8Array): number | undefined {
  for (;;) {
    try {
      return readSync(fd, buffer);
    } catch (error) {
      const name = errnoName(error);
      if (name === 'ENODEV' || name === 'ENOTCONN' || name === 'ECONNABORTED') return undefined;
      // ENOENT: the request was withdrawn while it was handed over.
      if (!['EINTR', 'EAGAIN', 'ENOENT'].includes(name)) throw error;
    }
  }
}

function errnoName(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
