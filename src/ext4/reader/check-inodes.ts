/** First pass of the structure check: every inode in use, and every block that it uses. */
import { crc32c } from '../../bytes/crc32c.js';
import { inodeFlags } from '../../format/ext4/inode.js';
import { ROOT_INODE } from '../../format/ext4/superblock.js';
import type { BlockUse } from './block-use.js';
import { countBits, hasBit } from './block-use.js';
import { badChecksum } from './fault.js';
import type { Group } from './group.js';
import type { InodeCensus } from './inode-census.js';
import { decodeInode, type Ext4Inode } from './inode.js';
import { visitMap } from './mapping.js';
import type { Ext4Reader } from './reader.js';
import { ALL_BLOCKS } from './run.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';
import { readInodeEntries, readXattrBlock, type XattrEntry } from './xattr-entries.js';
import type { XattrUse } from './xattr-use.js';
import { checkXattrHashes } from './xattrs.js';

const RESIZE_INODE = 7;
const DOUBLE_INDIRECT = 13 * 4;
/** Bytes of the inode table that are read at once. */
const SPAN = 65_536;

export interface Pass {
  readonly reader: Ext4Reader;
  readonly volume: Volume;
  readonly blocks: BlockUse;
  readonly census: InodeCensus;
  readonly xattrs: XattrUse;
}

export interface GroupInodes {
  readonly used: number;
  readonly directories: number;
}

/** A step for each span of the table. @returns what is in use in a group, which its descriptor and the bitmap agree with. */
export function* checkGroupInodes(pass: Pass, group: Group): Generator<void, GroupInodes, void> {
  const { volume } = pass;
  const bitmap = group.inodesUninitialised ? new Uint8Array(volume.inodesPerGroup / 8) : readInodeBitmap(volume, group);
  const initialised = group.inodesUninitialised ? 0 : volume.inodesPerGroup - group.unusedInodes;
  let directories = 0;
  const perSpan = SPAN / volume.inodeSize;
  for (let from = 0; from < initialised; from += perSpan) {
    const to = Math.min(initialised, from + perSpan);
    const offset = group.inodeTable * volume.blockSize + from * volume.inodeSize;
    const span = volume.copy(offset, (to - from) * volume.inodeSize);
    for (let index = from; index < to; index++) {
      const at = (index - from) * volume.inodeSize;
      const record = span.subarray(at, at + volume.inodeSize);
      if (checkInode(pass, group, index, record, offset + at, hasBit(bitmap, index)) === 'directory') directories++;
    }
    yield;
  }
  for (let index = initialised; index < volume.inodesPerGroup; index++) {
    if (hasBit(bitmap, index)) throw invalid(`inode bitmap of group ${group.number}`, `inode ${index + 1} of the group is marked, but counted as never used`);
  }
  const used = countBits(bitmap.subarray(0, volume.inodesPerGroup / 8));
  const free = volume.inodesPerGroup - used;
  if (group.freeInodes !== free) throw invalid(group.place.record, `free inodes is ${group.freeInodes}, the bitmap has ${free}`, { expected: free, actual: group.freeInodes });
  if (group.directories !== directories) throw invalid(group.place.record, `directories is ${group.directories}, the table has ${directories}`, { expected: directories, actual: group.directories });
  return { used, directories };
}

function readInodeBitmap(volume: Volume, group: Group): Uint8Array {
  const bitmap = volume.readBlock(group.inodeBitmap);
  const place = { record: `inode bitmap of group ${group.number}`, offset: group.inodeBitmap * volume.blockSize };
  const size = volume.inodesPerGroup / 8;
  if (volume.hasMetadataChecksums) verifyBitmap(volume, bitmap.subarray(0, size), group.inodeBitmapChecksum, place);
  if (!bitmap.subarray(size).every((byte) => byte === 0xff)) throw invalid(place.record, 'bits beyond its inodes are not set', { offset: place.offset });
  return bitmap;
}

/** Descriptors of 32 bytes keep only the low half of a bitmap's checksum. */
export function verifyBitmap(volume: Volume, bitmap: Uint8Array, stored: number, place: Parameters<typeof badChecksum>[0]): void {
  const full = crc32c(volume.checksumSeed, bitmap);
  const computed = volume.descriptorSize >= 64 ? full : full & 0xffff;
  if (stored !== computed) throw badChecksum(place, stored, computed);
}

function checkInode(pass: Pass, group: Group, index: number, record: Uint8Array, offset: number, isMarked: boolean): Ext4Inode['kind'] | undefined {
  const { volume } = pass;
  const number = group.number * volume.inodesPerGroup + index + 1;
  if (!isMarked) {
    const links = record[0x1a]! | record[0x1b]! << 8;
    if (links !== 0 || number < volume.firstFileInode) throw invalid(`inode ${number}`, 'is in use, but its bit in the inode bitmap is clear', { inode: number, offset });
    return undefined;
  }
  const inode = decodeInode(volume, number, record, offset);
  if (inode === undefined) {
    if (number < volume.firstFileInode && number !== ROOT_INODE) return undefined; // reserved for a purpose that this image has not
    throw invalid(`inode ${number}`, 'is marked in the inode bitmap, but has no links', { inode: number, offset });
  }
  for (const [flag, known] of [['inlineData', volume.hasInlineData], ['extents', volume.hasExtents]] as const) {
    if (inodeFlags.has(inode.flags, flag) && !known) throw invalid(`inode ${number}`, `has the flag ${flag}, a feature that the superblock does not know`, { inode: number, offset });
  }
  pass.census.add(inode);
  if (inodeFlags.has(inode.flags, 'eaInode')) pass.xattrs.addValueInode(inode);
  checkBlocks(pass, inode);
  checkContents(pass, inode);
  return inode.kind;
}

function checkBlocks({ volume, blocks, xattrs }: Pass, inode: Ext4Inode): void {
  const owner = `inode ${inode.number}`;
  if (inode.number === RESIZE_INODE) {
    // It maps the room for descriptors to grow into, which the groups count as theirs; only its double indirect block is its own.
    const { blockArea } = inode;
    const block = new DataView(blockArea.buffer, blockArea.byteOffset).getUint32(DOUBLE_INDIRECT, true);
    if (block === 0) return;
    volume.checkBlocks(block, 1, { record: owner, offset: inode.offset }, 'double indirect block');
    blocks.mark(block, 1, owner);
    return;
  }
  let used = inode.xattrBlock === 0 ? 0 : 1;
  visitMap(volume, inode, 0, ALL_BLOCKS, {
    run({ physical, count }) { blocks.mark(physical, count, owner); used += count; },
    mapBlock(block) { blocks.mark(block, 1, owner); used++; },
  });
  const entries = readInodeEntries(volume, inode);
  const block = readXattrBlock(volume, inode);
  const isNewBlock = block !== undefined && xattrs.addBlock(inode.xattrBlock, block.references);
  if (isNewBlock) blocks.mark(inode.xattrBlock, 1, block.place.record);
  checkXattrHashes(volume, entries, true);
  if (isNewBlock) checkXattrHashes(volume, block.entries, false);
  xattrs.addValues(isNewBlock ? [...entries, ...block.entries] : entries);
  checkSectors(volume, inode, used, [...entries, ...block?.entries ?? []]);
}

/** Large xattr values count for the inode that has them too (kernel: ext4_xattr_inode_alloc_quota); mke2fs does not count them. */
function checkSectors(volume: Volume, inode: Ext4Inode, blocks: number, entries: readonly XattrEntry[]): void {
  const perBlock = volume.blockSize / 512;
  const own = blocks * perBlock;
  const values = entries.filter(({ valueInode }) => valueInode !== undefined)
    .reduce((sum, { valueSize }) => sum + Math.ceil(valueSize / volume.blockSize) * perBlock, 0);
  if (inode.sectors !== own && inode.sectors !== own + values) {
    throw invalid(`inode ${inode.number}`, `blocks is ${inode.sectors} (of 512 bytes), it uses ${own + values}`, { inode: inode.number, expected: own + values, actual: inode.sectors });
  }
}

function checkContents({ reader }: Pass, inode: Ext4Inode): void {
  if (inode.kind === 'symlink') reader.readlink(inode);
  if (inode.xattrBlock !== 0 || inode.xattrArea.length > 0) reader.xattrs(inode);
  reader.verity(inode);
}
