/**
 * Fault and retry: synchronous readers over chunks of which some are not here. A reader runs until it needs a missing
 * chunk; that is fetched, and the reader runs again from its beginning, as a page fault restarts an instruction.
 */
import { ChunkMissing, type RandomAccess } from '../bytes/random-access.js';
import { ThawfsError } from '../errors.js';
import { MiB } from '../units.js';

/** The most raw bytes that one run of a reader may need at once: a reader that wants more is reading a hostile image, or should read in steps. */
export const RUN_SIZE_MAX = 256 * MiB;

/** The raw image as a synchronous reader sees it. */
export class ChunkView implements RandomAccess {
  /**
   * @param size of the raw image, bytes
   * @param find gives a chunk, or undefined when it is not here
   */
  constructor(readonly size: number, private readonly chunkSize: number, private readonly find: (chunk: number) => Uint8Array | undefined) {}

  read(offset: number, length: number): Uint8Array {
    requireInRaw(this.size, offset, length);
    if (length > RUN_SIZE_MAX) throw tooMuch();
    const { chunkSize } = this;
    const first = Math.floor(offset / chunkSize);
    const start = offset - first * chunkSize;
    if (start + length <= chunkSize) {
      if (length === 0) return new Uint8Array(0);
      const chunk = this.find(first);
      if (chunk === undefined) throw new ChunkMissing([first]);
      return chunk.subarray(start, start + length);
    }
    const last = Math.floor((offset + length - 1) / chunkSize);
    const chunks = Array.from({ length: last - first + 1 }, (_, i) => this.find(first + i));
    const missing = chunks.flatMap((chunk, i) => chunk === undefined ? [first + i] : []);
    if (missing.length > 0) throw new ChunkMissing(missing);
    const target = Buffer.allocUnsafeSlow(length);
    chunks.forEach((chunk, i) => {
      const at = (first + i) * chunkSize - offset;
      target.set(chunk!.subarray(Math.max(0, -at), Math.min(chunk!.length, length - at)), Math.max(0, at));
    });
    return target;
  }
}

export interface Faults {
  readonly size: number;
  readonly chunkSize: number;
  /** A chunk that is here, or undefined. */
  readonly find: (chunk: number) => Uint8Array | undefined;
  /** Fetches chunks, ascending: a promise for each; undefined when it is gone again already. */
  readonly fetch: (chunks: readonly number[]) => Promise<Promise<Uint8Array | undefined>[]>;
}

/**
 * Runs `reader` until it has all that it needs. The chunks that it has seen are held until it returns, so every turn
 * gets further however small the cache is.
 *
 * @param reader changes nothing outside itself before its last read: it may run many times
 * @throws what the reader throws; LIMIT_EXCEEDED when one run needs more than {@link RUN_SIZE_MAX}; what fetching throws
 */
export async function runWithFaults<T>(reader: (image: RandomAccess) => T, { size, chunkSize, find, fetch }: Faults): Promise<T> {
  const held = new Map<number, Uint8Array>();
  const hold = (number: number, chunk: Uint8Array | undefined): Uint8Array | undefined => {
    if (chunk === undefined) return undefined;
    held.set(number, chunk);
    if (held.size * chunkSize > RUN_SIZE_MAX) throw tooMuch();
    return chunk;
  };
  const view = new ChunkView(size, chunkSize, (number) => held.get(number) ?? hold(number, find(number)));
  for (;;) {
    try {
      return reader(view);
    } catch (error) {
      if (!(error instanceof ChunkMissing)) throw error;
      const chunks = await fetch(error.chunks);
      for (const [i, number] of error.chunks.entries()) hold(number, await chunks[i]);
    }
  }
}

function tooMuch(): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', `one reading of the image needs more than ${RUN_SIZE_MAX} bytes of it at once`, {
    detail: { limit: RUN_SIZE_MAX }, suggestion: 'Read in smaller steps; if a command of thawfs did this, the image is damaged.',
  });
}

/** @throws TRUNCATED when the range leaves the raw image */
export function requireInRaw(size: number, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= size) return;
  throw new ThawfsError('TRUNCATED', `raw image: has ${size} bytes, bytes ${offset}-${offset + length - 1} were wanted`, { detail: { size, offset, length } });
}
