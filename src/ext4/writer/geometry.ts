/** How many groups of which size, and where the metadata of all groups lies: one run at the front of the file system. */
import { ThawfsError } from '../../errors.js';
import { BLOCK_SIZE, formatSize, roundUp } from '../../units.js';
import { DESCRIPTOR_SIZE, GROUP_MAX, INODES_PER_BLOCK, MAX_BLOCKS } from './parameters.js';

/** What has to be placed. */
export interface Needs {
  /** Highest inode number in use. */
  readonly inodes: number;
  /** Blocks after the inode tables: directories, other metadata, journal, data. */
  readonly bodyBlocks: number;
}

export interface Geometry {
  readonly blocks: number;
  /** Blocks in use. */
  readonly usedBlocks: number;
  readonly groups: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  /** Highest inode number in use. */
  readonly usedInodes: number;
  /** First block of: all block bitmaps, all inode bitmaps, all inode tables, the body. Block 0 is the superblock, then come the descriptors. */
  readonly blockBitmaps: number;
  readonly inodeBitmaps: number;
  readonly inodeTables: number;
  readonly body: number;
  /** Groups that came after the layout was made (layout-on-a-base): their block bitmaps, each followed by the inode bitmap. */
  readonly laterBitmaps: readonly number[];
}

/** @returns blocks of superblock, descriptors, bitmaps and inode tables */
export function frontBlocks({ body, laterBitmaps }: Geometry): number {
  return body + 2 * laterBitmaps.length;
}

/** @returns where the block bitmap of a group lies, and its inode bitmap */
export function bitmapsOf({ blockBitmaps, inodeBitmaps, laterBitmaps }: Geometry, group: number): { readonly blocks: number; readonly inodes: number } {
  const early = inodeBitmaps - blockBitmaps;
  if (group < early) return { blocks: blockBitmaps + group, inodes: inodeBitmaps + group };
  const later = laterBitmaps[group - early]!;
  return { blocks: later, inodes: later + 1 };
}

/** Room for new files where there is free space: one inode for this many bytes, as mkfs.ext4 has it. */
const BYTES_PER_SPARE_INODE = 16_384;

/**
 * @param size bytes of the whole file system, rounded up to a block. The last few blocks are left off where they would
 * need a group of their own and cannot hold its metadata, as mkfs.ext4 does.
 * @param freeBytes free space instead of `size`
 * @throws LIMIT_EXCEEDED when `size` is too small (the message says what is needed) or 16 TiB are not enough
 */
export function planGeometry(needs: Needs, size: number | undefined, freeBytes: number): Geometry {
  if (size === undefined) {
    const free = Math.ceil(freeBytes / BLOCK_SIZE);
    return checkLimits(smallest(needs, needs.inodes + spareInodes(free), free), free > 0);
  }
  const minimal = checkLimits(smallest(needs, needs.inodes, 0));
  const blocks = Math.ceil(size / BLOCK_SIZE);
  if (blocks < minimal.blocks) {
    const needed = minimal.blocks * BLOCK_SIZE;
    throw new ThawfsError('LIMIT_EXCEEDED', `the tree needs a file system of ${needed} bytes (${formatSize(needed)}), the size given is ${size}`, {
      detail: { needed, size }, suggestion: `Give a size of at least ${needed} bytes, or none.`,
    });
  }
  const withSpare = needs.inodes + spareInodes(blocks - minimal.blocks);
  return checkLimits(exactly(needs, withSpare, blocks) ?? exactly(needs, needs.inodes, blocks) ?? exactly(needs, needs.inodes, blocks - blocks % GROUP_MAX) ?? minimal, true);
}

function spareInodes(freeBlocks: number): number {
  return Math.floor(freeBlocks * BLOCK_SIZE / BYTES_PER_SPARE_INODE);
}

function smallest(needs: Needs, inodes: number, freeBlocks: number): Geometry {
  const place = (groups: number): number => layOut(needs, inodes, groups).body + needs.bodyBlocks + freeBlocks;
  const guess = place(Math.ceil(inodes / GROUP_MAX));
  const blocksPerGroup = chooseGroupSize(guess, inodes);
  let groups = Math.ceil(guess / blocksPerGroup);
  while (place(groups) > groups * blocksPerGroup) groups++;
  // More groups can need fewer blocks, for less of their inode tables is left over: then some blocks stay free.
  const blocks = Math.max(place(groups), (groups - 1) * blocksPerGroup + 1);
  return { ...layOut(needs, inodes, groups), blocks, blocksPerGroup };
}

function exactly(needs: Needs, inodes: number, blocks: number): Geometry | undefined {
  if (blocks === 0) return undefined;
  const blocksPerGroup = chooseGroupSize(blocks, inodes);
  const layout = layOut(needs, inodes, Math.ceil(blocks / blocksPerGroup));
  return layout.usedBlocks <= blocks ? { ...layout, blocks, blocksPerGroup } : undefined;
}

/** As large as possible, unless the groups would then be too few to hold the inodes: a bitmap block numbers 32,768 of either. */
function chooseGroupSize(blocks: number, inodes: number): number {
  if (Math.ceil(blocks / GROUP_MAX) * GROUP_MAX >= inodes) return GROUP_MAX;
  const even = blocks / Math.ceil(inodes / GROUP_MAX);
  return even - even % 8;
}

function layOut(needs: Needs, inodes: number, groups: number): Omit<Geometry, 'blocks' | 'blocksPerGroup'> {
  const inodesPerGroup = roundUp(Math.ceil(inodes / groups), INODES_PER_BLOCK);
  const blockBitmaps = 1 + Math.ceil(groups * DESCRIPTOR_SIZE / BLOCK_SIZE);
  const inodeBitmaps = blockBitmaps + groups;
  const inodeTables = inodeBitmaps + groups;
  const body = inodeTables + groups * inodesPerGroup / INODES_PER_BLOCK;
  return { groups, inodesPerGroup, laterBitmaps: [], usedInodes: needs.inodes, blockBitmaps, inodeBitmaps, inodeTables, body, usedBlocks: body + needs.bodyBlocks };
}

/** @param isAsked whether the size is what somebody asked for, and not what the tree needs */
function checkLimits(geometry: Geometry, isAsked = false): Geometry {
  if (geometry.blocks > MAX_BLOCKS || geometry.groups * geometry.inodesPerGroup > MAX_BLOCKS) {
    throw new ThawfsError('LIMIT_EXCEEDED', `the file system would have ${geometry.blocks} blocks, at most ${MAX_BLOCKS} (16 TiB) are supported`, {
      detail: { blocks: geometry.blocks, limit: MAX_BLOCKS }, suggestion: isAsked ? 'Ask for a smaller size, or less free space.' : 'Split the tree into several images.',
    });
  }
  return geometry;
}
