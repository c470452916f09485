/** Leaf digests of a whole image, 32 bytes a block: in slabs, of which those over nothing but zero blocks are all the same one. */
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE, KiB } from '../units.js';

const SLAB_SIZE = 64 * KiB; // leaves of 8 MiB
const LEAVES_PER_SLAB = SLAB_SIZE / DIGEST_SIZE;

/** Append only. Memory: 1/128 of the image where it has data, nearly nothing where it is zero. */
export class LeafStore {
  private readonly slabs: Uint8Array[] = [];
  private readonly zeroSlab: Uint8Array;
  /** Bytes used in the last slab, SLAB_SIZE when there is none that is open. */
  private used = SLAB_SIZE;

  /** @param salt of the image */
  constructor(salt: Uint8Array) {
    const leaf = new Uint8Array(DIGEST_SIZE);
    hashLeaves(new Uint8Array(BLOCK_SIZE), salt, leaf);
    this.zeroSlab = new Uint8Array(SLAB_SIZE);
    for (let at = 0; at < SLAB_SIZE; at += DIGEST_SIZE) this.zeroSlab.set(leaf, at);
  }

  get count(): number {
    return ((this.slabs.length - 1) * SLAB_SIZE + this.used) / DIGEST_SIZE;
  }

  /** @param leaves digests of the next blocks, one after another; copied */
  add(leaves: Uint8Array): void {
    for (let from = 0; from < leaves.length;) {
      const part = leaves.subarray(from, from + SLAB_SIZE - (this.used === SLAB_SIZE ? 0 : this.used));
      this.openSlab().set(part, this.used);
      this.used += part.length;
      from += part.length;
    }
  }

  /** @param count of blocks of zeros that come next */
  addZeroBlocks(count: number): void {
    for (let left = count; left > 0;) {
      const whole = this.used === SLAB_SIZE && left >= LEAVES_PER_SLAB;
      const taken = whole ? LEAVES_PER_SLAB : Math.min(left, LEAVES_PER_SLAB - (this.used === SLAB_SIZE ? 0 : this.used / DIGEST_SIZE));
      if (whole) this.slabs.push(this.zeroSlab);
      else this.add(this.zeroSlab.subarray(0, taken * DIGEST_SIZE));
      left -= taken;
    }
  }

  /** @returns the leaves in order, in views that must not be written into; all but the last hold 2048. */
  views(): Uint8Array[] {
    return this.slabs.map((slab, i) => (i === this.slabs.length - 1 ? slab.subarray(0, this.used) : slab));
  }

  private openSlab(): Uint8Array {
    if (this.used === SLAB_SIZE) {
      this.slabs.push(new Uint8Array(SLAB_SIZE));
      this.used = 0;
    }
    return this.slabs[this.slabs.length - 1]!;
  }
}
