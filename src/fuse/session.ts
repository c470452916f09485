/**
 * The loop of a session: blocking reads on the device, answers at once. It runs in a worker thread, because a blocking
 * read is 2.5 times faster than an asynchronous one and must not stop the main thread, which fetches what is missing.
 */
import { readSync, writeSync } from 'node:fs';
import { ChunkMissing, ifHere } from '../bytes/random-access.js';
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
}

export class Session {
  // Touched in advance: the kernel pins these pages, and a fault in the middle of a copy under SIGKILL would fail the request.
  private readonly request = new Request(new Uint8Array(REQUEST_BUFFER_SIZE).fill(1));
  private readonly reply: Reply;

  constructor(private readonly options: SessionOptions) {
    this.reply = new Reply(new Uint8Array(REPLY_BUFFER_SIZE).fill(1), options.validSeconds);
  }

  /** Answers made-up requests, and keeps the answers to itself. What is not here is left out. @param enough looked at between two of them */
  rehearse(enough: () => boolean): void {
    const { request, reply, options: { fileSystem, errnoOf } } = this;
    ifHere(() => {
      for (const bytes of rehearsal(fileSystem)) {
        if (enough()) break;
        request.buffer.set(bytes);
        if (request.accept(bytes.length)) ifHere(() => answer(fileSystem, request, reply, errnoOf));
      }
    });
  }

  /** Serves until the file system is unmounted or its connection aborted. */
  serve(): void {
    const { request, reply, options: { fd, fileSystem, errnoOf, trace, busy, interrupted, defer } } = this;
    for (let received = receive(fd, request.buffer); received !== undefined; received = receive(fd, request.buffer)) {
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
