/** Leaf digests of a whole image, 32 bytes a block: in slabs, of which those over nothing but zero blocks are all the same one. */
import type { RandomAccess } from '../bytes/random-access.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import type { Piece } from '../model/content.js';
import { BLOCK_SIZE, KiB, MiB } from '../units.js';

const SLAB_SIZE = 64 * KiB; // leaves of 8 MiB
const LEAVES_PER_SLAB = SLAB_SIZE / DIGEST_SIZE;
/** Slabs kept in memory where there is a place for the others: the leaves of 1 GiB. */
const KEPT_SLABS = 8 * MiB / SLAB_SIZE;

/** A run of bytes, and where they are. */
export type LeafRun = Pick<Piece, 'length' | 'sourceOffset'> & { readonly source: Uint8Array | RandomAccess };

/** Where leaves go that memory should not hold. */
export interface LeafOverflow extends RandomAccess {
  /** Puts bytes at the end. */
  append(bytes: Uint8Array): void;
}

/** Append only. Memory: 1/128 of the image where it has data, at most 8 MiB with an overflow; nearly nothing where it is zero. */
export class LeafStore {
  private readonly slabs: LeafRun[] = [];
  private readonly zeroSlab: Uint8Array;
  private open = new Uint8Array(SLAB_SIZE);
  /** Bytes used in the open slab. */
  private used = 0;
  private kept = 0;

  /** @param salt of the image. @param overflow takes what does not fit into 8 MiB; none = memory takes all */
  constructor(salt: Uint8Array, private readonly overflow?: LeafOverflow) {
    const leaf = new Uint8Array(DIGEST_SIZE);
    hashLeaves(new Uint8Array(BLOCK_SIZE), salt, leaf);
    this.zeroSlab = new Uint8Array(SLAB_SIZE);
    for (let at = 0; at < SLAB_SIZE; at += DIGEST_SIZE) this.zeroSlab.set(leaf, at);
  }

  get count(): number {
    return (this.slabs.length * SLAB_SIZE + this.used) / DIGEST_SIZE;
  }

  /** @param leaves digests of the next blocks, one after another; copied. @throws what the overflow throws */
  add(leaves: Uint8Array): void {
    for (let from = 0; from < leaves.length;) {
      const part = leaves.subarray(from, from + SLAB_SIZE - this.used);
      this.open.set(part, this.used);
      this.used += part.length;
      from += part.length;
      if (this.used === SLAB_SIZE) this.endSlab();
    }
  }

  /** @param count of blocks of zeros that come next */
  addZeroBlocks(count: number): void {
    for (let left = count; left > 0;) {
      const whole = this.used === 0 && left >= LEAVES_PER_SLAB;
      const taken = whole ? LEAVES_PER_SLAB : Math.min(left, LEAVES_PER_SLAB - this.used / DIGEST_SIZE);
      if (whole) this.slabs.push({ source: this.zeroSlab, sourceOffset: 0, length: SLAB_SIZE });
      else this.add(this.zeroSlab.subarray(0, taken * DIGEST_SIZE));
      left -= taken;
    }
  }

  /** @returns the leaves in order, which must not be written into; all runs but the last hold 2048. */
  runs(): LeafRun[] {
    return this.used === 0 ? this.slabs : [...this.slabs, { source: this.open, sourceOffset: 0, length: this.used }];
  }

  private endSlab(): void {
    this.used = 0;
    if (this.overflow === undefined || this.kept < KEPT_SLABS) {
      this.kept++;
      this.slabs.push({ source: this.open, sourceOffset: 0, length: SLAB_SIZE });
      this.open = new Uint8Array(SLAB_SIZE);
      return;
    }
    this.slabs.push({ source: this.overflow, sourceOffset: this.overflow.size, length: SLAB_SIZE });
    this.overflow.append(this.open);
  }
}

/** @returns the bytes of a run; do not write into them */
export function bytesOfRun({ source, sourceOffset, length }: LeafRun): Uint8Array {
  return source instanceof Uint8Array ? source.subarray(sourceOffset, sourceOffset + length) : source.read(sourceOffset, length);
}
