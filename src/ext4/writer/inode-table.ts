/** Inodes. Written field by field at fixed offsets, since there may be millions; a test holds them against the tables. */
import { toBytes } from '../../bytes/byte-string.js';
import { crc32c } from '../../bytes/crc32c.js';
import { INODE_BLOCK_SIZE, INODE_CORE_SIZE, INODE_EXTRA_SIZE, inodeFlags, LINK_MAX } from '../../format/ext4/inode.js';
import { JOURNAL_INODE } from '../../format/ext4/superblock.js';
import { XATTR_MAGIC } from '../../format/ext4/xattr.js';
import { typeBits, type TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE } from '../../units.js';
import { inodeChecksumSeed } from './checksum.js';
import { directoryOfRank } from './directory.js';
import { countBlocks } from './block-runs.js';
import { writeExtentRoot } from './extents.js';
import { inlineDirectory, inlineRoom, inlineXattr } from './inline-data.js';
import type { Layout } from './layout.js';
import { INODE_SIZE, INODES_PER_BLOCK, XATTR_BODY_OFFSET, XATTR_BODY_SIZE } from './parameters.js';
import { placeXattrs, writeXattrs, type DiskXattr } from './xattr.js';

/** Blocks written at a time: 256 KiB. */
const RUN = 64;
const SECTORS_PER_BLOCK = BLOCK_SIZE / 512;
const BLOCK_AREA = 40; // i_block

/** @returns the blocks of the inode tables up to the last inode in use; the tables of all groups lie in a row. */
export function* inodeTables(layout: Layout): Generator<Uint8Array> {
  const { use: { inodes: { end: usedInodes } }, inventory: { inodes } } = layout;
  const indexes = new Int32Array(usedInodes + 1).fill(-1);
  inodes.forEach((inode, index) => { indexes[inode] = index; });
  for (let first = 1; first <= usedInodes; first += RUN * INODES_PER_BLOCK) {
    const count = Math.min(RUN * INODES_PER_BLOCK, usedInodes - first + 1);
    const run = new Uint8Array(Math.ceil(count / INODES_PER_BLOCK) * BLOCK_SIZE);
    const view = new DataView(run.buffer);
    for (let i = 0; i < count; i++) writeInode(layout, first + i, indexes[first + i]!, run, view, i * INODE_SIZE);
    yield run;
  }
}

/** @param index of the node that has the number, -1 = none */
function writeInode(layout: Layout, inode: number, index: number, target: Uint8Array, view: DataView, at: number): void {
  if (index >= 0) writeNode(layout, index, target, view, at);
  else if (inode === JOURNAL_INODE && layout.placement.journal.length > 0) writeJournalNode(layout, view, at);
  else return; // reserved or free: zeros, even the checksum
  const checksum = crc32c(inodeChecksumSeed(inode), target, at, at + INODE_SIZE);
  view.setUint16(at + 124, checksum & 0xffff, true); // l_i_checksum_lo
  view.setUint16(at + 130, checksum >>> 16, true); // i_checksum_hi
}

function writeNode(layout: Layout, index: number, target: Uint8Array, view: DataView, at: number): void {
  const { inventory, placement, xattrBlocks } = layout;
  const node = inventory.nodes[index]!;
  const links = inventory.links[index]!;
  view.setUint16(at, typeBits[node.kind] | node.permissions, true); // i_mode
  view.setUint16(at + 26, node.kind === 'directory' && links > LINK_MAX ? 1 : links, true); // i_links_count
  view.setUint16(at + 2, node.uid, true); // i_uid
  view.setUint16(at + 120, node.uid >>> 16, true); // l_i_uid_high
  view.setUint16(at + 24, node.gid, true); // i_gid
  view.setUint16(at + 122, node.gid >>> 16, true); // l_i_gid_high
  writeTimes(view, at, node.mtimeSeconds, node.mtimeNanoseconds);

  const xattrBlock = xattrBlocks.ofNode(index);
  let blocks = 0;
  if (xattrBlock !== undefined) {
    view.setUint32(at + 104, placement.xattrBlocks[xattrBlock]!, true); // i_file_acl_lo
    blocks++;
  }
  const body = node.xattrs.length === 0 ? [] : placeXattrs(node.xattrs, XATTR_BODY_SIZE).body;
  if (layout.inline[index] === 1) {
    const content = inlineContent(layout, index, body);
    view.setUint32(at + 32, inodeFlags.bits.inlineData, true); // i_flags
    writeSize(view, at, content.length);
    target.set(content.subarray(0, INODE_BLOCK_SIZE), at + BLOCK_AREA);
    writeBody([...body, inlineXattr(content)], target, view, at);
  } else {
    blocks += writeMapping(layout, index, node, target, view, at);
    writeBody(body, target, view, at);
  }
  const sectors = blocks * SECTORS_PER_BLOCK;
  view.setUint32(at + 28, sectors, true); // i_blocks_lo
  view.setUint16(at + 116, sectors / 2 ** 32, true); // l_i_blocks_high
}

/** Size, flags and i_block. @returns blocks that it maps, and those of an extent tree outside the inode */
function writeMapping(layout: Layout, index: number, node: TreeNode, target: Uint8Array, view: DataView, at: number): number {
  switch (node.kind) {
    case 'fifo': case 'socket':
      return 0;
    case 'character-device': case 'block-device':
      writeDevice(view, at + BLOCK_AREA, node.major, node.minor);
      return 0;
    case 'symlink':
      writeSize(view, at, node.target.length);
      if (node.target.length < INODE_BLOCK_SIZE) {
        target.set(toBytes(node.target), at + BLOCK_AREA);
        return 0;
      }
      break;
    case 'directory':
      writeSize(view, at, layout.counts[index]! * BLOCK_SIZE);
      break;
    default:
      writeSize(view, at, node.content.size);
  }
  const isIndexed = node.kind === 'directory' && layout.counts[index]! > 1;
  const isVerity = node.kind === 'file' && layout.verityTrees.has(node);
  view.setUint32(at + 32, inodeFlags.bits.extents | (isIndexed ? inodeFlags.bits.index : 0) | (isVerity ? inodeFlags.bits.verity : 0), true); // i_flags
  const runs = layout.placement.runsOf(index);
  const treeBlocks = layout.placement.trees.get(index) ?? [];
  writeExtentRoot(view, at + BLOCK_AREA, runs, treeBlocks);
  return countBlocks(runs) + treeBlocks.length;
}

/** Numbers below 256 in the first word, as ever; larger ones in the second. */
function writeDevice(view: DataView, at: number, major: number, minor: number): void {
  if (major < 256 && minor < 256) view.setUint32(at, major << 8 | minor, true);
  else view.setUint32(at + 4, minor & 0xff | major << 8 | (minor & ~0xff) << 12, true);
}

function writeSize(view: DataView, at: number, size: number): void {
  view.setUint32(at + 4, size, true); // i_size_lo: the low 32 bits
  view.setUint32(at + 108, size / 2 ** 32, true); // i_size_high
}

/** Access, change, modify and create time are all the one time that a tree has. */
function writeTimes(view: DataView, at: number, seconds: number, nanoseconds: number): void {
  const low = seconds | 0;
  const extra = nanoseconds * 4 + ((seconds - low) / 2 ** 32 & 3);
  for (const offset of [8, 12, 16, INODE_CORE_SIZE + 16]) view.setInt32(at + offset, low, true); // i_atime, i_ctime, i_mtime, i_crtime
  for (const offset of [4, 8, 12, 20]) view.setUint32(at + INODE_CORE_SIZE + offset, extra, true); // i_ctime_extra, i_mtime_extra, i_atime_extra, i_crtime_extra
  view.setUint16(at + INODE_CORE_SIZE, INODE_EXTRA_SIZE, true); // i_extra_isize
}

function writeBody(xattrs: readonly DiskXattr[], target: Uint8Array, view: DataView, at: number): void {
  if (xattrs.length === 0) return;
  const start = at + XATTR_BODY_OFFSET;
  view.setUint32(start - 4, XATTR_MAGIC, true); // h_magic
  writeXattrs(target, xattrs, start, at + INODE_SIZE, start);
}

function inlineContent(layout: Layout, index: number, body: readonly DiskXattr[]): Uint8Array {
  const node = layout.inventory.nodes[index]!;
  if (node.kind === 'file') return layout.readContent!(node.content);
  if (node.kind === 'symlink') return toBytes(node.target);
  return inlineDirectory(directoryOfRank(layout.inventory, layout.inventory.ranks[index]!), inlineRoom(body))!;
}

function writeJournalNode(layout: Layout, view: DataView, at: number): void {
  view.setUint16(at, typeBits.file | 0o600, true); // i_mode
  view.setUint16(at + 26, 1, true); // i_links_count
  const blocks = countBlocks(layout.placement.journal);
  view.setUint32(at + 28, blocks * SECTORS_PER_BLOCK, true); // i_blocks_lo
  view.setUint32(at + 32, inodeFlags.bits.extents, true); // i_flags
  writeSize(view, at, blocks * BLOCK_SIZE);
  writeTimes(view, at, 0, 0);
  writeJournalMap(layout, view, at + BLOCK_AREA);
}

/** i_block of the journal inode; the superblock keeps a copy. */
export function writeJournalMap(layout: Layout, view: DataView, at: number): void {
  writeExtentRoot(view, at, layout.placement.journal, []);
}
