/** Group descriptors and bitmaps. Used blocks and used inodes are prefixes, so a bitmap follows from one number. */
import { crc32c } from '../../bytes/crc32c.js';
import { groupDescriptor64, groupFlags } from '../../format/ext4/group-descriptor.js';
import { BLOCK_SIZE } from '../../units.js';
import { numberChecksumSeed } from './checksum.js';
import type { Geometry } from './geometry.js';
import { inodeNumber, type Inventory } from './inventory.js';
import { CHECKSUM_SEED, DESCRIPTOR_SIZE, INODES_PER_BLOCK } from './parameters.js';

interface Group {
  readonly blocks: number;
  readonly usedBlocks: number;
  readonly usedInodes: number;
}

function groupAt({ blocks, blocksPerGroup, usedBlocks, inodesPerGroup, usedInodes }: Geometry, number: number): Group {
  const within = (count: number, each: number): number => Math.min(Math.max(count - number * each, 0), each);
  return { blocks: within(blocks, blocksPerGroup), usedBlocks: within(usedBlocks, blocksPerGroup), usedInodes: within(usedInodes, inodesPerGroup) };
}

/** An untouched group needs no block bitmap (BLOCK_UNINIT), except the last: its bitmap says where the file system ends. */
function hasBlockBitmap(geometry: Geometry, number: number): boolean {
  return groupAt(geometry, number).usedBlocks > 0 || number === geometry.groups - 1;
}

/** @returns the block bitmaps, one block for each group that is in use; undefined stands for a block of zeros. */
export function* blockBitmaps(geometry: Geometry): Generator<Uint8Array | undefined> {
  for (let number = 0; number < geometry.groups; number++) {
    const { usedBlocks, blocks } = groupAt(geometry, number);
    yield hasBlockBitmap(geometry, number) ? bitmap(usedBlocks, blocks) : undefined;
  }
}

export function* inodeBitmaps(geometry: Geometry): Generator<Uint8Array | undefined> {
  for (let number = 0; number < geometry.groups; number++) {
    const { usedInodes } = groupAt(geometry, number);
    yield usedInodes > 0 ? bitmap(usedInodes, geometry.inodesPerGroup) : undefined;
  }
}

/** Bits [0, used) are set, and so are those from `count` on, which stand for nothing. */
function bitmap(used: number, count: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  setBits(block, 0, used);
  setBits(block, count, BLOCK_SIZE * 8);
  return block;
}

function setBits(block: Uint8Array, from: number, to: number): void {
  const firstByte = Math.ceil(from / 8);
  const afterByte = Math.max(firstByte, Math.floor(to / 8));
  for (let bit = from; bit < Math.min(firstByte * 8, to); bit++) block[bit >> 3]! |= 1 << (bit & 7);
  block.fill(0xff, firstByte, afterByte);
  for (let bit = Math.max(from, afterByte * 8); bit < to; bit++) block[bit >> 3]! |= 1 << (bit & 7);
}

/** @returns the blocks after the superblock. */
export function descriptorBlocks(geometry: Geometry, inventory: Inventory): Uint8Array {
  const { groups, blocksPerGroup, inodesPerGroup } = geometry;
  const table = new Uint8Array((geometry.blockBitmaps - 1) * BLOCK_SIZE);
  const directories = countDirectories(geometry, inventory);
  const checksums = new Map<string, number>();
  /** Nearly all groups are full, so nearly all bitmaps are one. */
  const bitmapChecksum = (used: number, count: number, bits: number): number => {
    const key = `${used} ${count} ${bits}`;
    const known = checksums.get(key) ?? crc32c(CHECKSUM_SEED, bitmap(used, count), 0, bits / 8);
    checksums.set(key, known);
    return known;
  };

  for (let number = 0; number < groups; number++) {
    const { blocks, usedBlocks, usedInodes } = groupAt(geometry, number);
    const initialised = hasBlockBitmap(geometry, number);
    const blockChecksum = initialised ? bitmapChecksum(usedBlocks, blocks, blocksPerGroup) : 0;
    const inodeChecksum = usedInodes > 0 ? bitmapChecksum(usedInodes, inodesPerGroup, inodesPerGroup) : 0;
    const at = number * DESCRIPTOR_SIZE;
    groupDescriptor64.encode({
      blockBitmapLo: geometry.blockBitmaps + number,
      inodeBitmapLo: geometry.inodeBitmaps + number,
      inodeTableLo: geometry.inodeTables + number * inodesPerGroup / INODES_PER_BLOCK,
      freeBlocksCountLo: blocks - usedBlocks,
      freeInodesCountLo: inodesPerGroup - usedInodes,
      usedDirectoriesCountLo: directories[number]!,
      flags: (initialised ? 0 : groupFlags.bits.blockUninit) | (usedInodes > 0 ? 0 : groupFlags.bits.inodeUninit) | groupFlags.bits.inodeZeroed,
      blockBitmapChecksumLo: blockChecksum & 0xffff, blockBitmapChecksumHi: blockChecksum >>> 16,
      inodeBitmapChecksumLo: inodeChecksum & 0xffff, inodeBitmapChecksumHi: inodeChecksum >>> 16,
      unusedInodesLo: inodesPerGroup - usedInodes,
    }, table, at);
    const checksum = crc32c(numberChecksumSeed(number), table, at, at + DESCRIPTOR_SIZE);
    new DataView(table.buffer).setUint16(at + groupDescriptor64.offsetOf('checksum'), checksum & 0xffff, true);
  }
  return table;
}

function countDirectories({ groups, inodesPerGroup }: Geometry, { directories }: Inventory): Uint32Array {
  const counts = new Uint32Array(groups);
  for (const index of directories) counts[Math.floor((inodeNumber(index) - 1) / inodesPerGroup)]!++;
  return counts;
}
