/** Is an image sound as a whole? What e2fsck -fn asks, without it: after every build, and in `verify`. */
import { ThawfsError } from '../../errors.js';
import { incompat, roCompat } from '../../format/ext4/features.js';
import { BlockUse } from './block-use.js';
import { checkDirectories } from './check-directories.js';
import { checkGroupBlocks, groupMetadata } from './check-groups.js';
import { checkGroupInodes, type Pass } from './check-inodes.js';
import { checkJournal } from './check-journal.js';
import { InodeCensus } from './inode-census.js';
import type { Ext4Reader } from './reader.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';
import { XattrUse } from './xattr-use.js';

/** What was found; every number was counted and compared. */
export interface Ext4Check {
  /** Inodes in use, reserved ones included. */
  readonly inodes: number;
  readonly directories: number;
  /** Names in directories, without `.` and `..`. */
  readonly names: number;
  readonly usedBlocks: number;
  readonly freeBlocks: number;
}

/**
 * Reads all metadata and compares every part with every other: checksums of superblock, descriptors, bitmaps, inodes,
 * directory, extent and xattr blocks; every inode in use has its names, link counts are right; no block is used twice,
 * the bitmaps mark exactly what is used; hash trees are in order and names lie where their hash says; free counts add up.
 *
 * @throws STRUCTURE_INVALID with the place, and the cause when a record was unreadable. Cost: one read of all metadata;
 * memory: a bit for each block and 7 bytes for each inode of the groups that are in use, and the names of one directory
 */
export function checkStructure(reader: Ext4Reader): Ext4Check {
  const steps = checkInSteps(reader);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As {@link checkStructure}, a millisecond or two at a time: for a thread that has others to serve meanwhile. */
export function* checkInSteps(reader: Ext4Reader): Generator<void, Ext4Check, void> {
  try {
    return yield* check(reader);
  } catch (error) {
    if (!(error instanceof ThawfsError) || error.kind !== 'format') throw error;
    throw new ThawfsError('STRUCTURE_INVALID', error.message, { detail: { ...error.detail, reason: error.code }, cause: error });
  }
}

function* check(reader: Ext4Reader): Generator<void, Ext4Check, void> {
  const { volume } = reader;
  const { groupCount } = volume.layout;
  const pass: Pass = { reader, volume, blocks: new BlockUse(volume), census: new InodeCensus(volume), xattrs: new XattrUse() };
  for (let number = 0; number < groupCount; number++) markMetadata(volume, pass.blocks, number);

  let inodes = 0;
  for (let number = 0; number < groupCount; number++) inodes += (yield* checkGroupInodes(pass, volume.group(number))).used;
  const { directories, names } = yield* checkDirectories(pass);
  const unnamed = unnamedInodes(volume);
  pass.census.checkLinks((number) => number < volume.firstFileInode || unnamed.has(number) || pass.xattrs.isValueInode(number),
    roCompat.has(volume.superblock.featureRoCompat, 'dir_nlink'));
  pass.xattrs.check();
  checkJournal(volume);

  let freeBlocks = 0;
  for (let number = 0; number < groupCount; number++) freeBlocks += checkGroupBlocks(volume, volume.group(number), pass.blocks);
  requireEqual('free blocks', freeBlocks, volume.freeBlocks);
  requireEqual('free inodes', volume.inodeCount - inodes, volume.superblock.freeInodesCount);
  return { inodes, directories, names, usedBlocks: volume.blockCount - volume.superblock.firstDataBlock - freeBlocks, freeBlocks };
}

function markMetadata(volume: Volume, blocks: BlockUse, number: number): void {
  const group = volume.group(number);
  for (const [first, count] of groupMetadata(volume, group)) {
    volume.checkMetadataBlocks(first, count, group.place);
    blocks.mark(first, count, group.place.record);
  }
  if (number > 0 || !incompat.has(volume.superblock.featureIncompat, 'mmp')) return;
  const mmpBlock = Number(volume.superblock.mmpBlock);
  volume.checkBlocks(mmpBlock, 1, group.place, 'mmp block');
  blocks.mark(mmpBlock, 1, 'mmp');
}

/** Inodes of the file system's own that may have any number. */
function unnamedInodes(volume: Volume): Set<number> {
  const { journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode } = volume.superblock;
  return new Set([journalInode, userQuotaInode, groupQuotaInode, projectQuotaInode, orphanFileInode]);
}

function requireEqual(what: string, counted: number, stored: number): void {
  if (counted !== stored) throw invalid('superblock', `${what} is ${stored}, the groups have ${counted}`, { expected: counted, actual: stored });
}
