/** Extent trees: up to four extents in the inode, else full leaves of 340 below it, so that no checker finds anything to tidy. */
import { crc32c } from '../../bytes/crc32c.js';
import { EXTENT_ENTRY_SIZE, EXTENT_HEADER_SIZE, EXTENT_MAGIC, EXTENT_MAX_LENGTH, EXTENT_TAIL_SIZE } from '../../format/ext4/extent.js';
import { INODE_BLOCK_SIZE } from '../../format/ext4/inode.js';
import { BLOCK_SIZE } from '../../units.js';
import type { BlockRun, MappedRun } from './block-runs.js';

/** An extent, or in an inner node the first logical block and the place of a node (`length` 0). */
interface Entry {
  readonly logical: number;
  readonly physical: number;
  readonly length: number;
}

const ROOT_ENTRIES = (INODE_BLOCK_SIZE - EXTENT_HEADER_SIZE) / EXTENT_ENTRY_SIZE;
const NODE_ENTRIES = Math.floor((BLOCK_SIZE - EXTENT_HEADER_SIZE - EXTENT_TAIL_SIZE) / EXTENT_ENTRY_SIZE);

/** @returns blocks of the extent tree outside the inode. */
export function extentTreeBlockCount(runs: readonly BlockRun[]): number {
  let entries = 0;
  for (const run of runs) entries += Math.ceil(run.count / EXTENT_MAX_LENGTH);
  let blocks = 0;
  while (entries > ROOT_ENTRIES) {
    entries = Math.ceil(entries / NODE_ENTRIES);
    blocks += entries;
  }
  return blocks;
}

/**
 * Writes the root into i_block.
 *
 * @param treeBlocks blocks of the tree outside the inode, where {@link extentTreeBlocks} goes
 */
export function writeExtentRoot(view: DataView, at: number, runs: readonly MappedRun[], treeBlocks: readonly number[]): void {
  let entries = extentsOf(runs);
  let depth = 0;
  for (let used = 0; entries.length > ROOT_ENTRIES; depth++) {
    entries = parentsOf(entries, treeBlocks, used);
    used += entries.length;
  }
  writeNode(view, at, entries, ROOT_ENTRIES, depth);
}

/**
 * @param seed inode checksum seed
 * @returns the contents of `treeBlocks` in order: leaves first, then each level above
 */
export function* extentTreeBlocks(runs: readonly MappedRun[], treeBlocks: readonly number[], seed: number): Generator<Uint8Array> {
  let entries = extentsOf(runs);
  for (let depth = 0, used = 0; entries.length > ROOT_ENTRIES; depth++) {
    for (let i = 0; i < entries.length; i += NODE_ENTRIES) {
      const node = new Uint8Array(BLOCK_SIZE);
      const view = new DataView(node.buffer);
      writeNode(view, 0, entries.slice(i, i + NODE_ENTRIES), NODE_ENTRIES, depth);
      const tail = EXTENT_HEADER_SIZE + NODE_ENTRIES * EXTENT_ENTRY_SIZE;
      view.setUint32(tail, crc32c(seed, node, 0, tail), true);
      yield node;
    }
    entries = parentsOf(entries, treeBlocks, used);
    used += entries.length;
  }
}

function extentsOf(runs: readonly MappedRun[]): Entry[] {
  const extents: Entry[] = [];
  for (const { logical, count, physical } of runs) {
    for (let done = 0; done < count; done += EXTENT_MAX_LENGTH) {
      extents.push({ logical: logical + done, physical: physical + done, length: Math.min(count - done, EXTENT_MAX_LENGTH) });
    }
  }
  return extents;
}

/** One entry for each node of the level of `entries`; the nodes lie in `blocks` from `used` on. */
function parentsOf(entries: readonly Entry[], blocks: readonly number[], used: number): Entry[] {
  const parents: Entry[] = [];
  for (let i = 0; i < entries.length; i += NODE_ENTRIES) parents.push({ logical: entries[i]!.logical, physical: blocks[used + parents.length]!, length: 0 });
  return parents;
}

function writeNode(view: DataView, at: number, entries: readonly Entry[], max: number, depth: number): void {
  view.setUint16(at, EXTENT_MAGIC, true); // eh_magic
  view.setUint16(at + 2, entries.length, true); // eh_entries
  view.setUint16(at + 4, max, true); // eh_max
  view.setUint16(at + 6, depth, true); // eh_depth
  let entryAt = at + EXTENT_HEADER_SIZE;
  for (const { logical, physical, length } of entries) {
    view.setUint32(entryAt, logical, true); // ee_block, ei_block
    if (depth === 0) {
      view.setUint16(entryAt + 4, length, true); // ee_len
      view.setUint16(entryAt + 6, physical / 2 ** 32, true); // ee_start_hi
      view.setUint32(entryAt + 8, physical, true); // ee_start_lo
    } else {
      view.setUint32(entryAt + 4, physical, true); // ei_leaf_lo
      view.setUint16(entryAt + 8, physical / 2 ** 32, true); // ei_leaf_hi
    }
    entryAt += EXTENT_ENTRY_SIZE;
  }
}
