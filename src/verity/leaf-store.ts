/** Leaf digests of a whole image, 32 bytes a block: in slabs, of which those over nothing but zero blocks are all the same one. */
import { PieceFiller } from '../bytes/piece-filler.js';
import type { RandomAccess } from '../bytes/random-access.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import { zeroLeaves } from '../hash/zero-leaves.js';
import type { Piece } from '../model/content.js';
import { KiB, MiB } from '../units.js';

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
  private readonly open = new PieceFiller(SLAB_SIZE, (slab) => this.endSlab(slab));
  private kept = 0;

  /** @param salt of the image. @param overflow takes what does not fit into 8 MiB; none = memory takes all */
  constructor(salt: Uint8Array, private readonly overflow?: LeafOverflow) {
    this.zeroSlab = zeroLeaves(LEAVES_PER_SLAB, salt);
  }

  get count(): number {
    return (this.slabs.length * SLAB_SIZE + this.open.waiting.length) / DIGEST_SIZE;
  }

  /** @param leaves digests of the next blocks, one after another; copied. @throws what the overflow throws */
  add(leaves: Uint8Array): void {
    this.open.add(leaves);
  }

  /** @param count of blocks of zeros that come next */
  addZeroBlocks(count: number): void {
    for (let left = count; left > 0;) {
      const used = this.open.waiting.length / DIGEST_SIZE;
      const whole = used === 0 && left >= LEAVES_PER_SLAB;
      const taken = whole ? LEAVES_PER_SLAB : Math.min(left, LEAVES_PER_SLAB - used);
      if (whole) this.slabs.push({ source: this.zeroSlab, sourceOffset: 0, length: SLAB_SIZE });
      else this.add(this.zeroSlab.subarray(0, taken * DIGEST_SIZE));
      left -= taken;
    }
  }

  /** @returns the leaves in order, which must not be written into; all runs but the last hold 2048. */
  runs(): LeafRun[] {
    const { waiting } = this.open;
    return waiting.length === 0 ? this.slabs : [...this.slabs, { source: waiting, sourceOffset: 0, length: waiting.length }];
  }

  /** @returns memory for the next slab */
  private endSlab(slab: Uint8Array): Uint8Array {
    if (this.overflow === undefined || this.kept < KEPT_SLABS) {
      this.kept++;
      this.slabs.push({ source: slab, sourceOffset: 0, length: SLAB_SIZE });
      return new Uint8Array(SLAB_SIZE);
    }
    this.slabs.push({ source: this.overflow, sourceOffset: this.overflow.size, length: SLAB_SIZE });
    this.overflow.append(slab);
    return slab;
  }
}

/** @returns the bytes of a run; do not write into them */
export function bytesOfRun({ source, sourceOffset, length }: LeafRun): Uint8Array {
  return source instanceof Uint8Array ? source.subarray(sourceOffset, sourceOffset + length) : source.read(sourceOffset, length);
}
