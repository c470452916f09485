/** Directories: one linear block, or a hash tree (htree.ts) when the names do not fit. */
import { fileTypes } from '../../format/ext4/directory.js';
import { inodeChecksumSeed } from './checksum.js';
import { countTreeBlocks, treeBlocks } from './htree.js';
import type { Inventory } from './inventory.js';
import { entrySize, LEAF_SIZE, LinearBlock, type DirectoryEntries } from './linear-block.js';

export function directoryOfRank(inventory: Inventory, rank: number): DirectoryEntries {
  const index = inventory.directories[rank]!;
  return {
    inventory, from: inventory.entryStarts[rank]!, to: inventory.entryStarts[rank + 1]!,
    inode: inventory.inodes[index]!, parentInode: inventory.inodes[inventory.parents[index]!]!,
  };
}

export function isLinear({ inventory: { entryNames }, from, to }: DirectoryEntries): boolean {
  let size = entrySize('.') + entrySize('..');
  for (let at = from; at < to && size <= LEAF_SIZE; at++) size += entrySize(entryNames[at]!);
  return size <= LEAF_SIZE;
}

/** @throws LIMIT_EXCEEDED when even a hash tree cannot hold the names. */
export function countDirectoryBlocks(directory: DirectoryEntries): number {
  return isLinear(directory) ? 1 : countTreeBlocks(directory);
}

/** @returns the blocks of the directory in logical order. */
export function* directoryBlocks(directory: DirectoryEntries): Generator<Uint8Array> {
  if (isLinear(directory)) yield linearBlock(directory);
  else yield* treeBlocks(directory);
}

function linearBlock(directory: DirectoryEntries): Uint8Array {
  const block = new LinearBlock();
  block.add(directory.inode, '.', fileTypes.directory);
  block.add(directory.parentInode, '..', fileTypes.directory);
  for (let at = directory.from; at < directory.to; at++) block.addEntry(directory.inventory, at);
  return block.finish(inodeChecksumSeed(directory.inode));
}
