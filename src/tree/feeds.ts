/** Feeds of an archive: a file read in place, or a stream. */
import { readSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import type { Readable } from 'node:stream';
import { ThawfsError, fromErrno, hasCode } from '../errors.js';
import type { Feed } from './archive-reader.js';

/** Reads a file from its start. The descriptor stays the caller's. */
export class FileFeed implements Feed {
  #position = 0;
  constructor(private readonly fd: number, private readonly label: string, private readonly signal?: AbortSignal) {}

  fill(target: Uint8Array): number {
    this.signal?.throwIfAborted();
    try {
      const count = readSync(this.fd, target, 0, target.length, this.#position);
      this.#position += count;
      return count;
    } catch (error) {
      throw fromErrno(error, `reading ${this.label}`);
    }
  }
}

/** Reads a stream; its failures get their codes here. */
export class StreamFeed implements Feed {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(stream: Readable, private readonly label: string, private readonly signal?: AbortSignal) {
    if (signal !== undefined) addAbortSignal(signal, stream);
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  }

  async fill(target: Uint8Array): Promise<number> {
    while (this.#chunk.length === 0) {
      const next = await this.#next();
      if (next.done === true) return 0;
      this.#chunk = next.value;
    }
    const count = Math.min(this.#chunk.length, target.length);
    target.set(this.#chunk.subarray(0, count));
    this.#chunk = this.#chunk.subarray(count);
    return count;
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      return await this.#chunks.next();
    } catch (error) {
      throw streamError(error, this.label, this.signal);
    }
  }
}

/**
 * @returns what went wrong with a stream: zlib's codes are about the bytes, all others about the machine
 * @throws the reason of `signal`, if that was what ended it
 */
export function streamError(error: unknown, label: string, signal?: AbortSignal): ThawfsError {
  signal?.throwIfAborted();
  if (hasCode(error)) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('Z_')) return fromErrno(error, `reading ${label}`);
  const ended = code === 'Z_BUF_ERROR';
  return new ThawfsError(ended ? 'TRUNCATED' : 'CHECKSUM_MISMATCH', `${label}: the gzip stream ${ended ? 'ends too early' : 'is damaged'}`, {
    detail: { zlib: code }, cause: error, suggestion: 'Copy or download the archive again.',
  });
}
