/** Which blocks something uses: one bit a block, kept only for groups where a block is used at all. */
import { roCompat } from '../../format/ext4/features.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';

export class BlockUse {
  private readonly groups = new Map<number, Uint8Array>();
  private readonly blocksPerGroup: number;
  private readonly firstBlock: number;
  private readonly sharing: boolean;

  constructor(private readonly volume: Volume) {
    this.blocksPerGroup = volume.superblock.blocksPerGroup;
    this.firstBlock = volume.superblock.firstDataBlock;
    this.sharing = roCompat.has(volume.superblock.featureRoCompat, 'shared_blocks');
  }

  /** @returns the bits of a group as its bitmap has them, undefined when none of its blocks is used. */
  ofGroup(group: number): Uint8Array | undefined {
    return this.groups.get(group);
  }

  /**
   * Notes that `owner` uses blocks that lie inside the device.
   *
   * @throws STRUCTURE_INVALID when one of them is in use already
   */
  mark(first: number, count: number, owner: string): void {
    let at = first - this.firstBlock;
    for (let left = count; left > 0;) {
      const group = Math.floor(at / this.blocksPerGroup);
      const start = at % this.blocksPerGroup;
      const length = Math.min(left, this.blocksPerGroup - start);
      const clash = setBits(this.bitsOf(group), start, start + length);
      if (clash !== undefined && !this.sharing) {
        const block = this.firstBlock + group * this.blocksPerGroup + clash;
        throw invalid(owner, `block ${block} is used twice`, { block, offset: block * this.volume.blockSize });
      }
      at += length;
      left -= length;
    }
  }

  private bitsOf(group: number): Uint8Array {
    let bits = this.groups.get(group);
    if (bits === undefined) {
      bits = new Uint8Array(this.blocksPerGroup / 8);
      this.groups.set(group, bits);
    }
    return bits;
  }
}

/** Sets the bits [from, to). @returns one that was set before, undefined when none was */
export function setBits(bits: Uint8Array, from: number, to: number): number | undefined {
  let clash: number | undefined;
  for (let at = from; at < to;) {
    const byte = at >>> 3;
    const end = Math.min(to, (byte + 1) * 8);
    const mask = 0xff >>> 8 - (end - at) << (at & 7);
    const before = bits[byte]! & mask;
    if (before !== 0) clash ??= byte * 8 + 31 - Math.clz32(before & -before);
    bits[byte]! |= mask;
    at = end;
  }
  return clash;
}

export function hasBit(bits: Uint8Array, at: number): boolean {
  return (bits[at >>> 3]! >>> (at & 7) & 1) !== 0;
}

/** @returns how many bits are set. */
export function countBits(bits: Uint8Array): number {
  let count = 0;
  for (const byte of bits) count += popCount[byte]!;
  return count;
}

const popCount = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest !== 0; rest >>>= 1) count += rest & 1;
  return count;
});
