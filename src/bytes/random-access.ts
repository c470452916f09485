/**
 * What a synchronous reader of an image may see: bytes at positions, nothing else.
 *
 * A local file answers at once. A remote image throws {@link ChunkMissing} for what is not here yet; the outer loop
 * fetches and runs the reader again, as a page fault does (DESIGN.md section 5). So readers must be restartable:
 * they change nothing outside themselves before their last read.
 */
export interface RandomAccess {
  /** Bytes in all. */
  readonly size: number;
  /**
   * @returns exactly `length` bytes at `offset`. The bytes may be a view of a cache: do not write into them, copy what is kept.
   * @throws ThawfsError TRUNCATED when the range leaves the image; {@link ChunkMissing} when it is not here yet
   */
  read(offset: number, length: number): Uint8Array;
  /** The same into memory of the caller's, filled to its end; for who can do that without a copy. What is in it after a throw says nothing. */
  readInto?(target: Uint8Array, offset: number): void;
}

/** @returns what `look` returns; undefined when it needs something that is not here. @throws what else it throws */
export function ifHere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof ChunkMissing) return undefined;
    throw error;
  }
}

/** Control flow, not a failure: these chunks must be fetched before the same read can succeed. */
export class ChunkMissing extends Error {
  override readonly name = 'ChunkMissing';
  /** @param chunks chunk numbers, ascending */
  constructor(readonly chunks: readonly number[]) {
    super(`chunks not here yet: ${chunks.slice(0, 8).join(', ')}`);
  }
}
