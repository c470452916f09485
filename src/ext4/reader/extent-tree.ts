/**
 * The extent tree (kernel: Documentation/filesystems/ext4/ifork.rst, "Extent Tree"): a root of four entries inside
 * the inode, index nodes below it, extents in the leaves. Direct DataView reads: this is under every file read.
 */
import { crc32c } from '../../bytes/crc32c.js';
import {
  EXTENT_ENTRY_SIZE, EXTENT_HEADER_SIZE, EXTENT_MAGIC, EXTENT_MAX_DEPTH, EXTENT_TAIL_SIZE, EXTENT_UNWRITTEN_BIAS,
} from '../../format/ext4/extent.js';
import { badChecksum, badField, type Place } from './fault.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import { ALL_BLOCKS, type MapVisitor } from './run.js';
import type { Volume } from './volume.js';

/** A node whose header, and whose checksum where there is one, were found sound. */
export interface ExtentNode {
  readonly view: DataView;
  readonly place: Place;
  readonly entries: number;
  readonly depth: number;
}

/** Visits the extents that meet [from, to) in ascending order; see visitMap. Work is bounded by the map blocks of the image. */
export function visitExtents(volume: Volume, inode: Ext4Inode, from: number, to: number, visitor: MapVisitor): void {
  const root = inode.blockArea;
  const place = inodePlace(inode);
  const node = openNode(new DataView(root.buffer, root.byteOffset, root.byteLength), place, undefined);
  visitNode(volume, inode, node, 0, ALL_BLOCKS, from, to, visitor);
}

/**
 * @param low the node covers [low, high): its entries must lie inside. A block that two parents name breaks this for
 * one of them, and depth falls by one at every step, so no crafted tree is walked longer than it is large.
 */
function visitNode(
  volume: Volume, inode: Ext4Inode, node: ExtentNode, low: number, high: number, from: number, to: number, visitor: MapVisitor,
): void {
  const { view, place, entries, depth } = node;
  let previousEnd = low;
  for (let i = 0; i < entries; i++) {
    const at = EXTENT_HEADER_SIZE + i * EXTENT_ENTRY_SIZE;
    const logical = view.getUint32(at, true); // ee_block, ei_block
    if (logical < previousEnd) throw badField(place, `entry ${i} block`, `is ${logical}, below ${previousEnd} where the one before ends`);
    if (depth > 0) {
      const end = i + 1 < entries ? view.getUint32(at + EXTENT_ENTRY_SIZE, true) : high;
      if (logical >= end || end > high) throw badField(place, `entry ${i} block`, `${logical} is not below ${end}`);
      const child = view.getUint32(at + 4, true) + view.getUint16(at + 8, true) * 2 ** 32; // ei_leaf_lo, ei_leaf_hi
      if (logical < to && end > from) {
        const below = readNode(volume, inode, child, place, depth - 1);
        visitor.mapBlock?.(child);
        visitNode(volume, inode, below, logical, end, from, to, visitor);
      }
      previousEnd = logical + 1;
    } else {
      const length = view.getUint16(at + 4, true); // ee_len
      const unwritten = length > EXTENT_UNWRITTEN_BIAS;
      const count = unwritten ? length - EXTENT_UNWRITTEN_BIAS : length;
      if (count === 0) throw badField(place, `extent ${i} length`, 'is 0');
      if (logical + count > high) throw badField(place, `extent ${i} length`, `reaches block ${logical + count}, beyond ${high}`);
      const physical = view.getUint32(at + 8, true) + view.getUint16(at + 6, true) * 2 ** 32; // ee_start_lo, ee_start_hi
      volume.checkBlocks(physical, count, place, `extent ${i} start`);
      if (logical < to && logical + count > from) visitor.run({ logical, physical, count, unwritten });
      previousEnd = logical + count;
    }
  }
}

/** Kept: reads of a large file come this way one after another, and checking a block takes longer than copying what they ask for. */
function readNode(volume: Volume, inode: Ext4Inode, block: number, parent: Place, depth: number): ExtentNode {
  // A crafted image may name a block for several inodes and depths: for each it is checked.
  return volume.extentNodes.get(`${inode.number} ${block} ${depth}`, () => checkNode(volume, inode, block, parent, depth));
}

function checkNode(volume: Volume, inode: Ext4Inode, block: number, parent: Place, depth: number): ExtentNode {
  volume.checkBlocks(block, 1, parent, 'index entry leaf');
  const bytes = volume.readBlock(block);
  const place = { record: `extent block ${block} of inode ${inode.number}`, offset: block * volume.blockSize };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const node = openNode(view, place, depth);
  if (node.entries === 0) throw badField(place, 'entries', 'is 0 below the root');
  if (volume.hasMetadataChecksums) {
    const tail = EXTENT_HEADER_SIZE + view.getUint16(4, true) * EXTENT_ENTRY_SIZE; // the checksum follows eh_max entries
    const computed = crc32c(inode.checksumSeed, bytes, 0, tail);
    const stored = view.getUint32(tail, true);
    if (stored !== computed) throw badChecksum(place, stored, computed);
  }
  return node;
}

/** @param expectedDepth undefined for the root, which says how deep the tree is */
function openNode(view: DataView, place: Place, expectedDepth: number | undefined): ExtentNode {
  const isRoot = expectedDepth === undefined;
  const magic = view.getUint16(0, true);
  if (magic !== EXTENT_MAGIC) throw badField(place, 'extent header magic', `is 0x${magic.toString(16)}, not 0x${EXTENT_MAGIC.toString(16)}`);
  const entries = view.getUint16(2, true);
  const max = view.getUint16(4, true);
  const depth = view.getUint16(6, true);
  // A node in a block keeps four bytes behind its entries for the checksum; the root has the inode's.
  const room = Math.floor((view.byteLength - EXTENT_HEADER_SIZE - (isRoot ? 0 : EXTENT_TAIL_SIZE)) / EXTENT_ENTRY_SIZE);
  if (max === 0 || max > room) throw badField(place, 'extent header max', `is ${max}, there is room for ${room}`);
  if (entries > max) throw badField(place, 'extent header entries', `is ${entries}, above max ${max}`);
  if (isRoot ? depth > EXTENT_MAX_DEPTH : depth !== expectedDepth) {
    throw badField(place, 'extent header depth', `is ${depth}, ${isRoot ? `at most ${EXTENT_MAX_DEPTH} is possible` : `its parent says ${expectedDepth}`}`);
  }
  if (isRoot && entries === 0 && depth > 0) throw badField(place, 'extent header depth', `is ${depth} in a tree without entries`);
  return { view, place, entries, depth };
}
