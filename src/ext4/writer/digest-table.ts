/** Finds blocks by their digest: open addressing over block numbers, 8 to 16 bytes a block. */
import { DIGEST_SIZE } from '../../hash/sha256.js';

export class DigestTable {
  private readonly slots: Uint32Array;
  private readonly mask: number;

  /** @param digests of all blocks, of which those in `blocks` are put in; of equal ones only the first, or a gigabyte of one pattern would be one long search */
  constructor(private readonly digests: Uint8Array, blocks: readonly number[]) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, blocks.length * 2)));
    this.slots = new Uint32Array(size);
    this.mask = size - 1;
    for (const block of blocks) {
      let at = this.slotOf(digests, block * DIGEST_SIZE);
      while (this.slots[at] !== 0 && !sameDigest(digests, this.slots[at]! - 1, digests, block)) at = at + 1 & this.mask;
      if (this.slots[at] === 0) this.slots[at] = block + 1;
    }
  }

  /** @returns the block of this digest, undefined when there is none */
  find(digest: Uint8Array): number | undefined {
    for (let at = this.slotOf(digest, 0); this.slots[at] !== 0; at = at + 1 & this.mask) {
      const block = this.slots[at]! - 1;
      if (sameDigest(this.digests, block, digest, 0)) return block;
    }
    return undefined;
  }

  /** Digests are as good as random, if their maker wanted it so or not: who makes many alike only makes his own build slow. */
  private slotOf(bytes: Uint8Array, at: number): number {
    return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) & this.mask;
  }
}

/** @returns whether digest `i` of `a` is digest `j` of `b` */
export function sameDigest(a: Uint8Array, i: number, b: Uint8Array, j: number): boolean {
  const [from, other] = [i * DIGEST_SIZE, j * DIGEST_SIZE];
  for (let k = 0; k < DIGEST_SIZE; k++) if (a[from + k] !== b[other + k]) return false;
  return true;
}
