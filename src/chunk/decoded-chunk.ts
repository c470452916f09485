/**
 * A decoded chunk in memory that is used again for the next one. Its blocks are hashed when they are asked for, not before:
 * of a chunk that one block is wanted of, fifteen need no hashing. What it hands out is verified.
 */
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';

export class DecodedChunk {
  private readonly memory: Uint8Array;
  /** What the blocks must hash to, as the chunk's id vouches for. */
  private readonly leaves: Uint8Array;
  private readonly digests: Uint8Array;
  /** 1 for each block that is known to be right. */
  private readonly proven: Uint8Array;

  /**
   * @param chunkSize the most bytes that a chunk has
   * @param salt of the leaves, empty = none
   */
  constructor(chunkSize: number, private readonly salt: Uint8Array) {
    const blocks = Math.ceil(chunkSize / BLOCK_SIZE);
    this.memory = new Uint8Array(chunkSize);
    this.leaves = new Uint8Array(blocks * DIGEST_SIZE);
    this.digests = new Uint8Array(blocks * DIGEST_SIZE);
    this.proven = new Uint8Array(blocks);
  }

  /** @returns memory for another chunk; until {@link accept} or {@link expect} says what vouches for it nobody may look */
  begin(size: number): Uint8Array {
    this.proven.fill(0);
    this.leaves.fill(0);
    return this.memory.subarray(0, size);
  }

  /** All of it was checked. */
  accept(): void {
    this.proven.fill(1);
  }

  /** @param leaves digests of all its blocks, which the chunk's id vouches for */
  expect(leaves: Uint8Array): void {
    this.leaves.set(leaves);
  }

  /** @returns these bytes, until the next {@link begin}; undefined when a block of them is not what its leaf says */
  view(from: number, to: number): Uint8Array | undefined {
    const last = Math.ceil(to / BLOCK_SIZE);
    for (let block = Math.floor(from / BLOCK_SIZE); block < last;) {
      let end = block;
      while (end < last && this.proven[end] !== 1) end++;
      if (end > block && !this.prove(block, end)) return undefined;
      block = end + 1;
    }
    return this.memory.subarray(from, to);
  }

  private prove(block: number, end: number): boolean {
    const length = hashLeaves(this.memory.subarray(block * BLOCK_SIZE, end * BLOCK_SIZE), this.salt, this.digests);
    if (Buffer.compare(this.digests.subarray(0, length), this.leaves.subarray(block * DIGEST_SIZE, end * DIGEST_SIZE)) !== 0) return false;
    this.proven.fill(1, block, end);
    return true;
  }
}
