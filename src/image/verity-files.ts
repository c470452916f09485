/** fs-verity metadata of every regular file of a tree, computed before the image is laid out: its place is part of the layout. */
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import { BLOCK_SIZE } from '../units.js';
import { describeFsVerity } from '../verity/fsverity.js';
import { contentWindows } from './content-reader.js';

const noSalt = new Uint8Array(0);

/**
 * Reads every file once. Memory: 1/127 of their size, and a block each.
 *
 * @throws what reading contents throws; the signal's reason
 */
export function verityTreesOf(root: DirectoryNode, signal?: AbortSignal): Map<FileNode, Uint8Array> {
  const trees = new Map<FileNode, Uint8Array>();
  for (const { node } of walk(root)) {
    if (node.kind !== 'file' || trees.has(node)) continue;
    signal?.throwIfAborted();
    trees.set(node, describeFsVerity(leavesOf(node), node.content.size).metadata);
  }
  return trees;
}

function leavesOf({ content }: FileNode): Uint8Array {
  const leaves = new Uint8Array(Math.ceil(content.size / BLOCK_SIZE) * DIGEST_SIZE);
  fillZeroLeaves(leaves);
  for (const { offset, bytes } of contentWindows(content)) hashLeaves(bytes, noSalt, leaves.subarray(offset / BLOCK_SIZE * DIGEST_SIZE));
  return leaves;
}

/** Holes are hashed as what they read as. */
function fillZeroLeaves(leaves: Uint8Array): void {
  if (leaves.length === 0) return;
  hashLeaves(new Uint8Array(BLOCK_SIZE), noSalt, leaves.subarray(0, DIGEST_SIZE));
  for (let filled = DIGEST_SIZE; filled < leaves.length; filled *= 2) leaves.copyWithin(filled, 0, Math.min(filled, leaves.length - filled));
}
