/** Finding a name through the hash tree of its directory: a few blocks read, however many names there are. */
import type { ByteString } from '../../bytes/byte-string.js';
import { hashVersions } from '../../format/ext4/directory.js';
import { superblockFlags } from '../../format/ext4/superblock.js';
import { directoryHash, hashSeed, type HashFunction } from '../dirhash.js';
import { directoryBlockCount, findInBlock, readDirectoryBlock, type DirEntry } from './directory.js';
import { badField } from './fault.js';
import { openIndexNode, openIndexRoot, type IndexNode } from './htree-node.js';
import type { Ext4Inode } from './inode.js';
import type { Volume } from './volume.js';

/** A node on the way from the root to a leaf, and the entry taken there. */
interface Step {
  readonly node: IndexNode;
  readonly entry: number;
}

/**
 * @returns the entry named `name` of a directory that has an index
 * @throws BAD_FIELD when the index is not sound (the entries may still be: read them one after another); CHECKSUM_MISMATCH
 */
export function findIndexed(volume: Volume, directory: Ext4Inode, name: ByteString): DirEntry | undefined {
  const rootBlock = readDirectoryBlock(volume, directory, 0);
  // The root's entries are not in the tree.
  if (name === '.' || name === '..') return findInBlock(volume, directory, rootBlock, name);
  const root = openIndexRoot(volume, directory, rootBlock.bytes, rootBlock.place);
  const hash = directoryHash(name, hashFunction(volume, root.hashVersion))!; // openIndexRoot passes known versions only

  let path: Step[] | undefined = descend(volume, directory, [{ node: root, entry: lastNotAbove(root, hash) }], root.levels, hash);
  // Names with one hash may fill several leaves. A crafted tree that leads to the same leaves for ever ends here.
  for (let leaves = directoryBlockCount(volume, directory); path !== undefined && leaves > 0; leaves--) {
    const found = findInBlock(volume, directory, readDirectoryBlock(volume, directory, leafOf(path)), name);
    if (found !== undefined) return found;
    path = nextWithHash(volume, directory, path, root.levels, hash);
  }
  if (path !== undefined) throw badField(root.place, 'index', 'leads to more leaves than the directory has blocks');
  return undefined;
}

/** @returns the hash of an index: seed and signedness are those of the file system. */
export function hashFunction(volume: Volume, storedVersion: number): HashFunction {
  const isUnsigned = superblockFlags.has(volume.superblock.flags, 'unsignedDirectoryHash');
  const version = storedVersion + (isUnsigned ? hashVersions.legacyUnsigned - hashVersions.legacy : 0);
  return { version, seed: hashSeed(volume.superblock.hashSeed) };
}

function descend(volume: Volume, directory: Ext4Inode, path: Step[], levels: number, hash: number): Step[] {
  const steps = [...path];
  while (steps.length <= levels) {
    const number = leafOf(steps);
    const { bytes, place } = readDirectoryBlock(volume, directory, number);
    const node = openIndexNode(volume, directory, bytes, place);
    steps.push({ node, entry: lastNotAbove(node, hash) });
  }
  return steps;
}

function leafOf(path: Step[]): number {
  const { node, entry } = path.at(-1)!;
  return node.block(entry);
}

/** @returns the last entry whose hash is not above `hash`; entries ascend, so by halving. */
function lastNotAbove(node: IndexNode, hash: number): number {
  let low = 0;
  let high = node.count - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (node.hash(middle) > hash) high = middle - 1; else low = middle;
  }
  return low;
}

/** @returns the path to the next leaf when that one may hold `hash` too (kernel: ext4_htree_next_block). */
function nextWithHash(volume: Volume, directory: Ext4Inode, path: Step[], levels: number, hash: number): Step[] | undefined {
  const depth = path.findLastIndex(({ node, entry }) => entry + 1 < node.count);
  if (depth < 0) return undefined;
  const { node, entry } = path[depth]!;
  const next = node.hash(entry + 1);
  if ((next & 1) === 0 || next - 1 !== hash) return undefined;
  return descend(volume, directory, [...path.slice(0, depth), { node, entry: entry + 1 }], levels, 0);
}
