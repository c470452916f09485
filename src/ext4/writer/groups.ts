/** Group descriptors and bitmaps, from the runs of blocks and inodes in use. */
import { crc32c } from '../../bytes/crc32c.js';
import { groupDescriptor64, groupFlags } from '../../format/ext4/group-descriptor.js';
import { BLOCK_SIZE } from '../../units.js';
import { numberChecksumSeed } from './checksum.js';
import { bitmapsOf, type Geometry } from './geometry.js';
import type { Layout } from './layout.js';
import { CHECKSUM_SEED, DESCRIPTOR_SIZE, INODES_PER_BLOCK } from './parameters.js';
import type { Spans } from './spans.js';

type Use = Pick<Layout, 'geometry' | 'use'>;

interface Group {
  readonly blocks: number;
  readonly usedBlocks: Spans;
  readonly usedInodes: Spans;
}

function groupAt({ geometry: { blocks, blocksPerGroup, inodesPerGroup }, use }: Use, number: number): Group {
  const first = number * blocksPerGroup;
  return {
    blocks: Math.min(blocks - first, blocksPerGroup),
    usedBlocks: use.blocks.within(first, first + blocksPerGroup), usedInodes: use.inodes.within(number * inodesPerGroup, (number + 1) * inodesPerGroup),
  };
}

/** An untouched group needs no block bitmap (BLOCK_UNINIT), except the last: its bitmap says where the file system ends. */
function hasBlockBitmap({ usedBlocks }: Group, { groups }: Geometry, number: number): boolean {
  return usedBlocks.size > 0 || number === groups - 1;
}

/** @returns the block bitmap of a group; undefined stands for a block of zeros. */
export function blockBitmap(layout: Use, number: number): Uint8Array | undefined {
  const group = groupAt(layout, number);
  return hasBlockBitmap(group, layout.geometry, number) ? bitmap(group.usedBlocks, group.blocks) : undefined;
}

export function inodeBitmap(layout: Use, number: number): Uint8Array | undefined {
  const { usedInodes } = groupAt(layout, number);
  return usedInodes.size > 0 ? bitmap(usedInodes, layout.geometry.inodesPerGroup) : undefined;
}

/** Bits in use are set, and so are those from `count` on, which stand for nothing. */
function bitmap(used: Spans, count: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  for (const { start, end } of used.list) setBits(block, start, end);
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
export function descriptorBlocks(layout: Layout): Uint8Array {
  const { geometry } = layout;
  const { groups, blocksPerGroup, inodesPerGroup } = geometry;
  const table = new Uint8Array((geometry.blockBitmaps - 1) * BLOCK_SIZE);
  const directories = countDirectories(layout);
  const checksums = new Map<string, number>();
  /** Nearly all groups are full, so nearly all bitmaps are one. */
  const bitmapChecksum = (used: Spans, count: number, bits: number): number => {
    const compute = (): number => crc32c(CHECKSUM_SEED, bitmap(used, count), 0, bits / 8);
    if (used.size !== used.end) return compute();
    const key = `${used.size} ${count} ${bits}`;
    const known = checksums.get(key) ?? compute();
    checksums.set(key, known);
    return known;
  };

  for (let number = 0; number < groups; number++) {
    const group = groupAt(layout, number);
    const { blocks, usedBlocks, usedInodes } = group;
    const initialised = hasBlockBitmap(group, geometry, number);
    const blockChecksum = initialised ? bitmapChecksum(usedBlocks, blocks, blocksPerGroup) : 0;
    const inodeChecksum = usedInodes.size > 0 ? bitmapChecksum(usedInodes, inodesPerGroup, inodesPerGroup) : 0;
    const at = number * DESCRIPTOR_SIZE;
    const bitmaps = bitmapsOf(geometry, number);
    groupDescriptor64.encode({
      blockBitmapLo: bitmaps.blocks,
      inodeBitmapLo: bitmaps.inodes,
      inodeTableLo: geometry.inodeTables + number * inodesPerGroup / INODES_PER_BLOCK,
      freeBlocksCountLo: blocks - usedBlocks.size,
      freeInodesCountLo: inodesPerGroup - usedInodes.size,
      usedDirectoriesCountLo: directories[number]!,
      flags: (initialised ? 0 : groupFlags.bits.blockUninit) | (usedInodes.size > 0 ? 0 : groupFlags.bits.inodeUninit) | groupFlags.bits.inodeZeroed,
      blockBitmapChecksumLo: blockChecksum & 0xffff, blockBitmapChecksumHi: blockChecksum >>> 16,
      inodeBitmapChecksumLo: inodeChecksum & 0xffff, inodeBitmapChecksumHi: inodeChecksum >>> 16,
      unusedInodesLo: inodesPerGroup - usedInodes.end,
    }, table, at);
    const checksum = crc32c(numberChecksumSeed(number), table, at, at + DESCRIPTOR_SIZE);
    new DataView(table.buffer).setUint16(at + groupDescriptor64.offsetOf('checksum'), checksum & 0xffff, true);
  }
  return table;
}

function countDirectories({ geometry: { groups, inodesPerGroup }, inventory: { directories, inodes } }: Layout): Uint32Array {
  const counts = new Uint32Array(groups);
  for (const index of directories) counts[Math.floor((inodes[index]! - 1) / inodesPerGroup)]!++;
  return counts;
}
