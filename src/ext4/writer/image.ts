/** Writes the blocks that a layout has decided on, in ascending order, a few at a time. */
import { toBytes } from '../../bytes/byte-string.js';
import type { Content, Piece } from '../../model/content.js';
import type { SymlinkNode } from '../../model/tree.js';
import { BLOCK_SIZE } from '../../units.js';
import { countBlocks, placePieces, stretchesOf, type MappedRun } from './block-runs.js';
import { inodeChecksumSeed } from './checksum.js';
import { directoryBlocks, directoryOfRank } from './directory.js';
import { extentTreeBlocks } from './extents.js';
import { storedContent } from './demand.js';
import { bitmapsOf } from './geometry.js';
import { blockBitmap, descriptorBlocks, inodeBitmap } from './groups.js';
import { inodeTables } from './inode-table.js';
import { journalHead } from './journal.js';
import type { Layout } from './layout.js';
import { inOrder, merged, type Part } from './parts.js';
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
  const streams = [[superblockPart(layout, uuid, volumeName)], bitmapParts(layout), [tablesPart(layout)], mappedParts(layout), xattrParts(layout), treeParts(layout), journalParts(layout), freedParts(layout)];
  for (const { pieces } of merged(streams)) yield* pieces();
}

/** Pieces for arrays of whole blocks one after another. */
function* blocksFrom(firstBlock: number, runs: Iterable<Uint8Array>): Generator<Piece> {
  let offset = firstBlock * BLOCK_SIZE;
  for (const run of runs) {
    yield { offset, length: run.length, source: run, sourceOffset: 0 };
    offset += run.length;
  }
}

/** A part that is made of whole blocks. */
function blocksPart(block: number, make: () => Iterable<Uint8Array>): Part {
  return { block, pieces: () => blocksFrom(block, make()) };
}

function superblockPart(layout: Layout, uuid: Uint8Array, volumeName: Uint8Array): Part {
  return blocksPart(0, () => [superblockBlock(layout, uuid, volumeName), descriptorBlocks(layout)]);
}

function bitmapParts(layout: Layout): Part[] {
  const groups = Array.from({ length: layout.geometry.groups }, (_, number) => ({ number, ...bitmapsOf(layout.geometry, number) }));
  return inOrder([
    ...groups.map(({ number, blocks }) => blocksPart(blocks, () => present(blockBitmap(layout, number)))),
    ...groups.map(({ number, inodes }) => blocksPart(inodes, () => present(inodeBitmap(layout, number)))),
  ]);
}

function present(block: Uint8Array | undefined): Uint8Array[] {
  return block === undefined ? [] : [block];
}

function tablesPart(layout: Layout): Part {
  return blocksPart(layout.geometry.inodeTables, () => inodeTables(layout));
}

/** Directories, symlinks and file data. */
function* mappedParts(layout: Layout): Generator<Part> {
  for (const { index, runs } of layout.placement.stretches()) yield { block: runs[0]!.physical, pieces: () => mappedPieces(layout, index, runs) };
}

function mappedPieces(layout: Layout, index: number, runs: readonly MappedRun[]): Iterable<Piece> {
  const node = layout.inventory.nodes[index]!;
  if (node.kind === 'file') return placePieces(storedContent(layout, index).pieces, runs);
  const blocks = node.kind === 'directory' ? directoryBlocks(directoryOfRank(layout.inventory, layout.inventory.ranks[index]!)) : [targetBlock(node as SymlinkNode)];
  return blocksFrom(runs[0]!.physical, selected(blocks, runs));
}

/** @returns the blocks with the numbers that the runs have */
function* selected(blocks: Iterable<Uint8Array>, runs: readonly MappedRun[]): Generator<Uint8Array> {
  let number = 0;
  for (const block of blocks) {
    if (runs.some(({ logical, count }) => number >= logical && number < logical + count)) yield block;
    number++;
  }
}

function targetBlock({ target }: SymlinkNode): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  block.set(toBytes(target));
  return block;
}

function xattrParts({ xattrBlocks: { blocks }, placement }: Layout): Part[] {
  return inOrder(blocks.map(({ xattrs, refcount }, i) => {
    const number = placement.xattrBlocks[i]!;
    return blocksPart(number, () => [xattrBlock(xattrs, refcount, number)]);
  }));
}

function treeParts({ placement, inventory: { inodes } }: Layout): Part[] {
  return inOrder([...placement.trees].flatMap(([index, blocks]) => stretchesOf(blocks.map((physical, logical) => ({ logical, count: 1, physical })))
    .map((stretch) => blocksPart(stretch[0]!.physical, () => selected(extentTreeBlocks(placement.runsOf(index), blocks, inodeChecksumSeed(inodes[index]!)), stretch)))));
}

/** What nothing uses any more, and stays for the sake of its chunk. */
function* freedParts({ base, freedBlocks: source }: Layout): Generator<Part> {
  if (base === undefined || 'unfit' in base || source === undefined) return;
  let sourceOffset = 0;
  for (const { start, end } of base.freed.list) {
    const piece = { offset: start * BLOCK_SIZE, length: (end - start) * BLOCK_SIZE, source, sourceOffset };
    yield { block: start, pieces: () => [piece] };
    sourceOffset += piece.length;
  }
}

function journalParts({ placement: { journal } }: Layout): Part[] {
  return journal.slice(0, 1).map(({ physical }) => blocksPart(physical, () => [journalHead(countBlocks(journal))]));
}
