/** Last pass of the structure check: what is in use is marked in the block bitmaps, and nothing else is. */
import { countBits, hasBit, setBits, type BlockUse } from './block-use.js';
import { verifyBitmap } from './check-inodes.js';
import type { Group } from './group.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';

/** @returns the blocks that a group's own metadata takes, [first, count] stretches: copies, bitmaps, inode table. */
export function groupMetadata(volume: Volume, group: Group): [first: number, count: number][] {
  return [...volume.layout.copies(group.number), [group.blockBitmap, 1], [group.inodeBitmap, 1], [group.inodeTable, volume.layout.inodeTableBlocks]];
}

/** @returns how many blocks of the group are free, which its descriptor agrees with. */
export function checkGroupBlocks(volume: Volume, group: Group, blocks: BlockUse): number {
  const { blocksPerGroup } = volume.superblock;
  const first = volume.layout.firstBlock(group.number);
  const count = Math.min(blocksPerGroup, volume.blockCount - first);
  const used = blocks.ofGroup(group.number) ?? new Uint8Array(blocksPerGroup / 8);
  const marked = group.blocksUninitialised ? impliedBitmap(volume, group, first, count) : readBlockBitmap(volume, group, count);
  for (let byte = 0; byte < Math.ceil(count / 8); byte++) {
    if (used[byte] === marked[byte]) continue;
    for (let bit = byte * 8; bit < Math.min(count, byte * 8 + 8); bit++) {
      if (hasBit(used, bit) === hasBit(marked, bit)) continue;
      const block = first + bit;
      const problem = hasBit(used, bit) ? `block ${block} is in use, but marked free` : `block ${block} is marked in use, but nothing uses it`;
      throw invalid(`block bitmap of group ${group.number}`, problem, { block, offset: block * volume.blockSize });
    }
  }
  const free = count - countBits(used);
  if (group.freeBlocks !== free) throw invalid(group.place.record, `free blocks is ${group.freeBlocks}, the bitmap has ${free}`, { expected: free, actual: group.freeBlocks });
  return free;
}

/** What stands for a bitmap that is not on disk yet (kernel: ext4_init_block_bitmap). */
function impliedBitmap(volume: Volume, group: Group, first: number, count: number): Uint8Array {
  const bits = new Uint8Array(volume.superblock.blocksPerGroup / 8);
  for (const [start, length] of groupMetadata(volume, group)) {
    const from = Math.max(0, start - first);
    const to = Math.min(count, start + length - first);
    if (from < to) setBits(bits, from, to);
  }
  return bits;
}

function readBlockBitmap(volume: Volume, group: Group, count: number): Uint8Array {
  const bitmap = volume.readBlock(group.blockBitmap);
  const place = { record: `block bitmap of group ${group.number}`, offset: group.blockBitmap * volume.blockSize };
  if (volume.hasMetadataChecksums) verifyBitmap(volume, bitmap.subarray(0, volume.superblock.blocksPerGroup / 8), group.blockBitmapChecksum, place);
  for (let bit = count; bit < bitmap.length * 8; bit++) {
    if (!hasBit(bitmap, bit)) throw invalid(place.record, 'bits beyond its blocks are not set', { offset: place.offset });
  }
  return bitmap;
}
