/** Writes the blocks that a layout has decided on, in ascending order, a few at a time. */
import { toBytes } from '../../bytes/byte-string.js';
import type { Content, Piece } from '../../model/content.js';
import type { FileNode, SymlinkNode } from '../../model/tree.js';
import { BLOCK_SIZE } from '../../units.js';
import { placePieces } from './block-runs.js';
import { inodeChecksumSeed } from './checksum.js';
import { directoryBlocks, directoryOfRank } from './directory.js';
import { extentTreeBlocks } from './extents.js';
import { blockBitmaps, descriptorBlocks, inodeBitmaps } from './groups.js';
import { inodeTables } from './inode-table.js';
import { inodeNumber } from './inventory.js';
import { journalHead } from './journal.js';
import { nodeRuns, type Layout } from './layout.js';
import { superblockBlock } from './superblock.js';
import { xattrBlock } from './xattr.js';

/** @returns the file system as a content; each walk over its pieces writes the metadata anew, into new arrays that the walker owns. */
export function imageContent(layout: Layout, uuid: Uint8Array, volumeName: Uint8Array): Content {
  return {
    size: layout.geometry.blocks * BLOCK_SIZE,
    pieces: { [Symbol.iterator]: () => imagePieces(layout, uuid, volumeName) },
  };
}

function* imagePieces(layout: Layout, uuid: Uint8Array, volumeName: Uint8Array): Generator<Piece> {
  const { geometry, inventory, placement: { starts, sizes } } = layout;
  yield* blocksFrom(0, [superblockBlock(layout, uuid, volumeName), descriptorBlocks(geometry, inventory)]);
  yield* blocksFrom(geometry.blockBitmaps, blockBitmaps(geometry));
  yield* blocksFrom(geometry.inodeBitmaps, inodeBitmaps(geometry));
  yield* blocksFrom(geometry.inodeTables, inodeTables(layout));
  yield* blocksFrom(starts.directories, allDirectories(layout));
  yield* blocksFrom(starts.symlinks, allSymlinks(layout));
  yield* blocksFrom(starts.xattrs, allXattrBlocks(layout));
  yield* blocksFrom(starts.trees, allExtentTrees(layout));
  if (sizes.journal > 0) yield* blocksFrom(starts.journal, [journalHead(sizes.journal)]);
  yield* allData(layout);
}

/** Pieces for arrays of whole blocks one after another; undefined leaves a block out. */
function* blocksFrom(firstBlock: number, runs: Iterable<Uint8Array | undefined>): Generator<Piece> {
  let offset = firstBlock * BLOCK_SIZE;
  for (const run of runs) {
    if (run !== undefined) yield { offset, length: run.length, source: run, sourceOffset: 0 };
    offset += run?.length ?? BLOCK_SIZE;
  }
}

function* allDirectories({ inventory, inline }: Layout): Generator<Uint8Array> {
  for (let rank = 0; rank < inventory.directories.length; rank++) {
    if (inline[inventory.directories[rank]!] === 0) yield* directoryBlocks(directoryOfRank(inventory, rank));
  }
}

function* allSymlinks({ inventory, placement: { blockCounts } }: Layout): Generator<Uint8Array> {
  for (let index = 0; index < blockCounts.length; index++) {
    const node = inventory.nodes[index]!;
    if (node.kind !== 'symlink' || blockCounts[index] === 0) continue;
    const block = new Uint8Array(BLOCK_SIZE);
    block.set(toBytes((node satisfies SymlinkNode).target));
    yield block;
  }
}

function* allXattrBlocks({ xattrBlocks, placement: { starts } }: Layout): Generator<Uint8Array> {
  let number = starts.xattrs;
  for (const { xattrs, refcount } of xattrBlocks.blocks) yield xattrBlock(xattrs, refcount, number++);
}

function* allExtentTrees(layout: Layout): Generator<Uint8Array> {
  const { treeBlocks, firstBlocks } = layout.placement;
  for (const [index, treeBlock] of treeBlocks) {
    yield* extentTreeBlocks(nodeRuns(layout, index), firstBlocks[index]!, treeBlock, inodeChecksumSeed(inodeNumber(index)));
  }
}

function* allData({ inventory, dataFiles, placement: { firstBlocks, blockCounts }, verityTrees }: Layout): Generator<Piece> {
  for (const index of dataFiles) {
    const file = inventory.nodes[index] as FileNode;
    const start = firstBlocks[index]! * BLOCK_SIZE;
    yield* placePieces(file.content, start);
    const verity = verityTrees.get(file);
    if (verity !== undefined) yield { offset: start + blockCounts[index]! * BLOCK_SIZE - verity.length, length: verity.length, source: verity, sourceOffset: 0 };
  }
}
