/** fs-verity metadata of every regular file of a tree, computed before the image is laid out: its place is part of the layout. */
import { display, type ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { zeroLeaves } from '../hash/zero-leaves.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import { BLOCK_SIZE, GiB } from '../units.js';
import { describeFsVerity } from '../verity/fsverity.js';
import { contentWindows } from './content-reader.js';

const noSalt = new Uint8Array(0);
/** Of a file, holes included: its digests take 512 MiB of memory, and as much of the image, since those of holes are stored too. */
const SIZE_MAX = 64 * GiB;

/**
 * Reads every file once. Memory: 1/127 of their size, and a block each.
 *
 * @throws LIMIT_EXCEEDED for a file of more than 64 GiB; what reading contents throws; the signal's reason
 */
export function verityTreesOf(root: DirectoryNode, signal?: AbortSignal): Map<FileNode, Uint8Array> {
  const trees = new Map<FileNode, Uint8Array>();
  for (const { path, node } of walk(root)) {
    if (node.kind !== 'file' || trees.has(node)) continue;
    signal?.throwIfAborted();
    demandSize(path, node);
    trees.set(node, describeFsVerity(leavesOf(node), node.content.size).metadata);
  }
  return trees;
}

function demandSize(path: ByteString, { content: { size } }: FileNode): void {
  if (size <= SIZE_MAX) return;
  throw new ThawfsError('LIMIT_EXCEEDED', `/${display(path)}: has ${size} bytes, with fs-verity a file can have ${SIZE_MAX}`, {
    detail: { path: display(path), size, limit: SIZE_MAX }, suggestion: 'Leave the file out (--exclude), or build without --fs-verity.',
  });
}

function leavesOf({ content }: FileNode): Uint8Array {
  const leaves = zeroLeaves(Math.ceil(content.size / BLOCK_SIZE), noSalt); // holes are hashed as what they read as
  for (const { offset, bytes } of contentWindows(content)) hashLeaves(bytes, noSalt, leaves.subarray(offset / BLOCK_SIZE * DIGEST_SIZE));
  return leaves;
}
