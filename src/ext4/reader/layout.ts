/** Arithmetic of the block groups: where superblock copies, descriptors and inode tables are. No reads. */
import { compat, incompat, roCompat } from '../../format/ext4/features.js';
import type { Superblock } from '../../format/ext4/superblock.js';

export class GroupLayout {
  readonly groupCount: number;
  readonly descriptorsPerBlock: number;
  readonly inodeTableBlocks: number;
  private readonly descriptorBlocks: number;
  private readonly hasMetaGroups: boolean;
  private readonly hasSparseCopies: boolean;
  private readonly hasTwoCopies: boolean;

  constructor(private readonly superblock: Superblock, private readonly blockSize: number, blockCount: number, inodeSize: number, descriptorSize: number) {
    this.groupCount = Math.ceil((blockCount - superblock.firstDataBlock) / superblock.blocksPerGroup);
    this.descriptorsPerBlock = blockSize / descriptorSize;
    this.descriptorBlocks = Math.ceil(this.groupCount / this.descriptorsPerBlock);
    this.inodeTableBlocks = Math.ceil(superblock.inodesPerGroup * inodeSize / blockSize);
    this.hasMetaGroups = incompat.has(superblock.featureIncompat, 'meta_bg');
    this.hasSparseCopies = roCompat.has(superblock.featureRoCompat, 'sparse_super');
    this.hasTwoCopies = compat.has(superblock.featureCompat, 'sparse_super2');
  }

  firstBlock(group: number): number {
    return this.superblock.firstDataBlock + group * this.superblock.blocksPerGroup;
  }

  /** Groups 0 and 1 and the powers of 3, 5 and 7; with sparse_super2 group 0 and two named ones; else every group. */
  hasSuperblock(group: number): boolean {
    if (group === 0) return true;
    if (this.hasTwoCopies) return this.superblock.backupGroups.includes(group);
    if (group === 1 || !this.hasSparseCopies) return true;
    return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
  }

  /** @returns the byte offset of a group's descriptor in the image. */
  descriptorOffset(group: number): number {
    const index = Math.floor(group / this.descriptorsPerBlock);
    const inBlock = (group % this.descriptorsPerBlock) * (this.blockSize / this.descriptorsPerBlock);
    return this.descriptorBlock(index) * this.blockSize + inBlock;
  }

  /**
   * The blocks at the start of a group that hold copies: superblock, descriptors, room for descriptors to grow into.
   *
   * @returns [first, count] stretches
   */
  copies(group: number): [first: number, count: number][] {
    const first = this.firstBlock(group);
    const hasSuperblock = this.hasSuperblock(group);
    const stretches: [number, number][] = hasSuperblock ? [[first, 1]] : [];
    const { firstMetaGroup, reservedGdtBlocks } = this.superblock;
    if (!this.hasMetaGroups) {
      if (hasSuperblock) stretches.push([first + 1, this.descriptorBlocks + reservedGdtBlocks]);
    } else if (Math.floor(group / this.descriptorsPerBlock) < firstMetaGroup) {
      if (hasSuperblock) stretches.push([first + 1, firstMetaGroup]);
    } else {
      const inMeta = group % this.descriptorsPerBlock;
      // A meta group keeps its one descriptor block in its first, second and last group.
      if (inMeta === 0 || inMeta === 1 || inMeta === this.descriptorsPerBlock - 1) stretches.push([first + (hasSuperblock ? 1 : 0), 1]);
    }
    return stretches;
  }

  private descriptorBlock(index: number): number {
    if (!this.hasMetaGroups || index < this.superblock.firstMetaGroup) return this.superblock.firstDataBlock + 1 + index;
    const group = index * this.descriptorsPerBlock;
    return this.firstBlock(group) + (this.hasSuperblock(group) ? 1 : 0);
  }
}

function isPowerOf(value: number, base: number): boolean {
  let rest = value;
  while (rest % base === 0) rest /= base;
  return rest === 1;
}
