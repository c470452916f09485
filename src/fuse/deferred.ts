/** Requests that wait for bytes: answered by the main thread when they are here, in whatever order they come. */
import { constants } from 'node:os';
import { ChunkMissing } from '../bytes/random-access.js';
import { answer, type ErrnoOf } from './dispatch.js';
import type { FileSystem } from './file-system.js';
import { Reply } from './reply.js';
import { Request } from './request.js';
import { REPLY_BUFFER_SIZE, send } from './session.js';

export interface DeferredOptions {
  readonly fd: number;
  readonly fileSystem: FileSystem;
  readonly validSeconds: number;
  readonly errnoOf: ErrnoOf;
  /** Resolves when the chunks can be read; rejects when they cannot be had. */
  readonly fetch: (chunks: readonly number[], signal: AbortSignal) => Promise<void>;
  /** Whether the process with this id is about to die; only then may its read end with EINTR. */
  readonly isDying: (pid: number) => boolean;
}

/** A request that still misses chunks after this many rounds is answered with EIO: something evicts faster than we fetch. */
const MAX_ROUNDS = 10_000;

export class DeferredRequests {
  private readonly waiting = new Map<bigint, { readonly pid: number; readonly abort: AbortController }>();
  private readonly reply: Reply;

  constructor(private readonly options: DeferredOptions) {
    this.reply = new Reply(new Uint8Array(REPLY_BUFFER_SIZE).fill(1), options.validSeconds);
  }

  /** Requests that are not answered yet. */
  get count(): number { return this.waiting.size; }

  /** @param bytes one whole request, ours from now on; `missing` what its first run lacked */
  accept(bytes: Uint8Array, missing: readonly number[]): void {
    const request = new Request(bytes);
    if (!request.accept(bytes.length) || this.waiting.has(request.unique)) return;
    const abort = new AbortController();
    this.waiting.set(request.unique, { pid: request.pid, abort });
    void this.settle(request, missing, abort.signal).finally(() => { this.waiting.delete(request.unique); });
  }

  /**
   * A signal reached the process that waits. A read of a regular file must not end early for an ordinary signal, so
   * only a dying process is let go.
   */
  interrupt(unique: bigint): void {
    const entry = this.waiting.get(unique);
    if (entry !== undefined && this.options.isDying(entry.pid)) entry.abort.abort();
  }

  private async settle(request: Request, first: readonly number[], signal: AbortSignal): Promise<void> {
    const { fd, fileSystem, errnoOf, fetch } = this.options;
    let missing = first;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      try {
        await fetch(missing, signal);
        if (answer(fileSystem, request, this.reply, errnoOf)) send(fd, this.reply.finish());
        return;
      } catch (error) {
        if (error instanceof ChunkMissing) {
          missing = error.chunks;
          continue;
        }
        this.fail(request, signal.aborted ? constants.errno.EINTR : errnoOf(error));
        return;
      }
    }
    this.fail(request, constants.errno.EIO);
  }

  private fail(request: Request, errno: number): void {
    this.reply.begin(request);
    this.reply.fail(errno);
    send(this.options.fd, this.reply.finish());
  }
}
