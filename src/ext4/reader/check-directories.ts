/** Second pass of the structure check: every directory from the root down, every name in it, and the order of hash trees. */
import type { ByteString } from '../../bytes/byte-string.js';
import { ROOT_INODE } from '../../format/ext4/superblock.js';
import { directoryHash, type HashFunction } from '../dirhash.js';
import type { Pass } from './check-inodes.js';
import { directoryBlockCount, isIndexed, parseBlock, readDirectoryBlock, readEntries, type DirEntry } from './directory.js';
import { hashFunction } from './htree.js';
import { openIndexNode, openIndexRoot, type IndexNode } from './htree-node.js';
import type { Ext4Inode } from './inode.js';
import { invalid } from './structure-fault.js';

/** One past the highest hash that a name can have. */
const NO_LIMIT = 2 ** 32;
const NAMES_A_STEP = 256;

/** @returns how many directories and names there are. */
export function* checkDirectories(pass: Pass): Generator<void, { directories: number; names: number }, void> {
  let directories = 0;
  let names = 0;
  const seen = new Set<number>([ROOT_INODE]);
  const pending = [{ number: ROOT_INODE, parent: ROOT_INODE }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    directories++;
    const inode = pass.reader.inode(next.number);
    const known = new Set<ByteString>();
    const subdirectories: number[] = [];
    for (const entry of isIndexed(pass.volume, inode) ? indexedEntries(pass, inode) : readEntries(pass.volume, inode)) {
      checkEntry(pass, next.number, entry, known);
      if (entry.name === '..' && entry.inode !== next.parent) {
        throw invalid(`inode ${next.number}`, `.. is inode ${entry.inode}, the parent is ${next.parent}`, { inode: next.number });
      }
      if (entry.name === '.' || entry.name === '..') continue;
      if (++names % NAMES_A_STEP === 0) yield;
      if (pass.census.kindOf(entry.inode) !== 'directory') continue;
      if (seen.has(entry.inode)) throw invalid(`inode ${entry.inode}`, 'is a directory with two names', { inode: entry.inode });
      seen.add(entry.inode);
      subdirectories.push(entry.inode);
    }
    // Lowest number first: that is how they mostly lie, while an indexed directory names them in no order at all.
    for (const number of subdirectories.sort((a, b) => b - a)) pending.push({ number, parent: next.number });
  }
  return { directories, names };
}

function checkEntry({ census, volume, xattrs }: Pass, directory: number, entry: DirEntry, known: Set<ByteString>): void {
  const where = `directory ${directory}`;
  const detail = { inode: entry.inode, name: entry.name };
  const kind = census.kindOf(entry.inode);
  if (kind === undefined) throw invalid(where, `${JSON.stringify(entry.name)} leads to inode ${entry.inode}, which is free`, detail);
  if (entry.kind !== undefined && entry.kind !== kind) throw invalid(where, `${JSON.stringify(entry.name)} is called a ${entry.kind}, inode ${entry.inode} is a ${kind}`, detail);
  const isReserved = entry.inode < volume.firstFileInode && entry.inode !== ROOT_INODE;
  if (isReserved || xattrs.isValueInode(entry.inode)) throw invalid(where, `${JSON.stringify(entry.name)} leads to inode ${entry.inode}, which is no file`, detail);
  if (known.has(entry.name)) throw invalid(where, `${JSON.stringify(entry.name)} is there twice`, detail);
  known.add(entry.name);
  census.addName(entry.inode);
}

/** The entries of an indexed directory, found through its tree: every block once, every name where its hash says. */
function* indexedEntries(pass: Pass, directory: Ext4Inode): Generator<DirEntry> {
  const { volume } = pass;
  const count = directoryBlockCount(volume, directory);
  const first = readDirectoryBlock(volume, directory, 0);
  yield* parseBlock(volume, directory, first); // . and ..
  const root = openIndexRoot(volume, directory, first.bytes, first.place);
  const walk: TreeWalk = { pass, directory, hash: hashFunction(volume, root.hashVersion), met: new Uint8Array(count), levels: root.levels };
  walk.met[0] = 1;
  yield* visitNode(walk, root, 0, 0, NO_LIMIT);
  const missed = walk.met.indexOf(0);
  if (missed >= 0) throw invalid(`directory ${directory.number}`, `block ${missed} is not in its hash tree`, { inode: directory.number });
}

interface TreeWalk {
  readonly pass: Pass;
  readonly directory: Ext4Inode;
  readonly hash: HashFunction;
  readonly met: Uint8Array;
  readonly levels: number;
}

/** @param low lowest hash that this node may hold. @param high first hash beyond it; odd when the hash below may go on into the next block */
function* visitNode(walk: TreeWalk, node: IndexNode, level: number, low: number, high: number): Generator<DirEntry> {
  const { volume } = walk.pass;
  for (let i = 0; i < node.count; i++) {
    const from = i === 0 ? low : node.hash(i);
    const to = i + 1 < node.count ? node.hash(i + 1) : high;
    if (from > to || from < low || to > high) throw invalid(node.place.record, `entry ${i} of the index is out of order`, { offset: node.place.offset });
    const number = node.block(i);
    if (walk.met[number] !== 0) throw invalid(node.place.record, `entry ${i} leads to block ${number}, which is ${number < walk.met.length ? 'in the tree twice' : 'not in the directory'}`, { offset: node.place.offset });
    walk.met[number] = 1;
    const block = readDirectoryBlock(volume, walk.directory, number);
    if (level < walk.levels) {
      yield* visitNode(walk, openIndexNode(volume, walk.directory, block.bytes, block.place), level + 1, from, to);
      continue;
    }
    for (const entry of parseBlock(volume, walk.directory, block)) {
      const hash = directoryHash(entry.name, walk.hash)!;
      if (hash < (from & ~1) >>> 0 || hash >= to) {
        throw invalid(block.place.record, `${JSON.stringify(entry.name)} has the hash 0x${hash.toString(16)}, outside of its block`, { offset: block.place.offset });
      }
      yield entry;
    }
  }
}
