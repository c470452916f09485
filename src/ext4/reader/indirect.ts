/**
 * The block map of ext2 and ext3 (kernel: Documentation/filesystems/ext4/ifork.rst, "Direct/Indirect Block
 * Addressing"): twelve blocks in the inode, then one block of pointers, one of pointers to such, and one level more.
 */
import { inodePlace, type Ext4Inode } from './inode.js';
import { beyondLimit, type Place } from './fault.js';
import type { MapVisitor } from './run.js';
import type { Volume } from './volume.js';

const DIRECT_BLOCKS = 12;
const LEVELS = 3;

/**
 * Visits the blocks that meet [from, to), one run per stretch of consecutive pointers; see visitMap. No checksum
 * vouches for indirect blocks, so a crafted one may name itself: the walk ends when it has read more pointer blocks
 * than the device has blocks.
 */
export function visitIndirect(volume: Volume, inode: Ext4Inode, from: number, to: number, visitor: MapVisitor): void {
  const area = inode.blockArea;
  const roots = new DataView(area.buffer, area.byteOffset, area.byteLength);
  const place = inodePlace(inode);
  const walk: Walk = { volume, number: inode.number, from, to, visitor, blocksRead: 0 };
  visitPointers(walk, roots, DIRECT_BLOCKS, 0, place);
  let logical = DIRECT_BLOCKS;
  for (let level = 1; level <= LEVELS; level++) {
    const pointer = roots.getUint32((DIRECT_BLOCKS + level - 1) * 4, true);
    visitLevel(walk, pointer, level, logical, place);
    logical += (volume.blockSize / 4) ** level;
  }
}

interface Walk {
  readonly volume: Volume;
  readonly number: number;
  readonly from: number;
  readonly to: number;
  readonly visitor: MapVisitor;
  blocksRead: number;
}

/** @param logical the first block of the file below this pointer */
function visitLevel(walk: Walk, pointer: number, level: number, logical: number, parent: Place): void {
  const { volume, from, to } = walk;
  const perBlock = volume.blockSize / 4;
  if (pointer === 0 || logical >= to || logical + perBlock ** level <= from) return;
  volume.checkBlocks(pointer, 1, parent, 'indirect block');
  const place = { record: `indirect block ${pointer} of inode ${walk.number}`, offset: pointer * volume.blockSize };
  if (++walk.blocksRead > volume.blockCount) throw beyondLimit(place, 'block map', 'has more pointer blocks than the device has blocks');
  const bytes = volume.readBlock(pointer);
  walk.visitor.mapBlock?.(pointer);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (level === 1) {
    visitPointers(walk, view, perBlock, logical, place);
    return;
  }
  const below = perBlock ** (level - 1);
  for (let i = 0; i < perBlock; i++) visitLevel(walk, view.getUint32(i * 4, true), level - 1, logical + i * below, place);
}

function visitPointers(walk: Walk, view: DataView, count: number, logical: number, place: Place): void {
  const first = Math.max(0, walk.from - logical);
  const end = Math.min(count, walk.to - logical);
  for (let i = first; i < end;) {
    const physical = view.getUint32(i * 4, true);
    let length = 1;
    if (physical !== 0) {
      while (i + length < end && view.getUint32((i + length) * 4, true) === physical + length) length++;
      walk.volume.checkBlocks(physical, length, place, `pointer ${i}`);
      walk.visitor.run({ logical: logical + i, physical, count: length, unwritten: false });
    }
    i += length;
  }
}
