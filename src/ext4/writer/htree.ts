/**
 * The hash tree of a large directory: root, at most one level of nodes, leaves in hash order. Every block is full, as
 * nothing will ever be added. Names of one hash may run over several leaves; those after the first are marked by bit 0.
 */
import { crc32c } from '../../bytes/crc32c.js';
import { dxNode, dxRoot, DX_ENTRY_SIZE, DX_NODE_SIZE, DX_ROOT_SIZE, DX_TAIL_SIZE, fileTypes } from '../../format/ext4/directory.js';
import { ThawfsError } from '../../errors.js';
import { BLOCK_SIZE } from '../../units.js';
import { directoryHash } from '../dirhash.js';
import { inodeChecksumSeed } from './checksum.js';
import { entrySize, LEAF_SIZE, LinearBlock, type DirectoryEntries } from './linear-block.js';
import { HASH_FUNCTION } from './parameters.js';

const ROOT_LIMIT = (BLOCK_SIZE - DX_ROOT_SIZE - DX_TAIL_SIZE) / DX_ENTRY_SIZE;
const NODE_LIMIT = (BLOCK_SIZE - DX_NODE_SIZE - DX_TAIL_SIZE) / DX_ENTRY_SIZE;

/** Two levels are what a kernel reads without large_dir. */
const MAX_LEAVES = ROOT_LIMIT * NODE_LIMIT;

interface Leaf {
  /** As in the index: hash of the first name, bit 0 set when the leaf before ends with the same hash. */
  readonly hash: number;
  /** Positions in the inventory's entries. */
  readonly entries: Uint32Array;
}

/** @throws LIMIT_EXCEEDED beyond 258,570 leaves (some 20 million names of usual length). */
export function countTreeBlocks(directory: DirectoryEntries): number {
  const leaves = leavesOf(directory).length;
  if (leaves > MAX_LEAVES) {
    throw new ThawfsError('LIMIT_EXCEEDED', `a directory of ${directory.to - directory.from} names needs ${leaves} blocks, ext4 takes ${MAX_LEAVES}`, {
      detail: { names: directory.to - directory.from, leaves, limit: MAX_LEAVES }, suggestion: 'Spread the files over several directories.',
    });
  }
  return 1 + countNodes(leaves) + leaves;
}

/** @returns root, nodes, leaves. */
export function* treeBlocks(directory: DirectoryEntries): Generator<Uint8Array> {
  const seed = inodeChecksumSeed(directory.inode);
  const leaves = leavesOf(directory);
  const nodeCount = countNodes(leaves.length);
  const leafEntries = leaves.map(({ hash }, i) => ({ hash, block: 1 + nodeCount + i }));
  const nodes = Array.from({ length: nodeCount }, (_, i) => leafEntries.slice(i * NODE_LIMIT, (i + 1) * NODE_LIMIT));
  const rootEntries = nodeCount === 0 ? leafEntries : nodes.map((entries, i) => ({ hash: entries[0]!.hash, block: 1 + i }));

  yield indexBlock(rootHead(directory, nodeCount), DX_ROOT_SIZE, ROOT_LIMIT, rootEntries, seed);
  for (const entries of nodes) yield indexBlock(dxNode.encode({ recordLength: BLOCK_SIZE }, new Uint8Array(BLOCK_SIZE)), DX_NODE_SIZE, NODE_LIMIT, entries, seed);
  for (const { entries } of leaves) {
    const block = new LinearBlock();
    for (const at of entries) block.addEntry(directory.inventory, at);
    yield block.finish(seed);
  }
}

function countNodes(leaves: number): number {
  return leaves <= ROOT_LIMIT ? 0 : Math.ceil(leaves / NODE_LIMIT);
}

function leavesOf({ inventory: { entryNames }, from, to }: DirectoryEntries): Leaf[] {
  const hashes = new Uint32Array(to - from);
  for (let i = 0; i < hashes.length; i++) hashes[i] = directoryHash(entryNames[from + i]!, HASH_FUNCTION)!;
  const order = Uint32Array.from(hashes.keys()).sort((a, b) => hashes[a]! - hashes[b]! || a - b);

  const leaves: Leaf[] = [];
  let start = 0;
  let size = 0;
  const close = (end: number): void => {
    const hash = hashes[order[start]!]!;
    const continues = start > 0 && hashes[order[start - 1]!] === hash;
    // Inside a leaf any order is right: in name order inode numbers rise, which compresses better.
    leaves.push({ hash: continues ? hash + 1 : hash, entries: order.slice(start, end).sort().map((i) => from + i) });
    [start, size] = [end, 0];
  };
  for (let i = 0; i < order.length; i++) {
    const more = entrySize(entryNames[from + order[i]!]!);
    if (size + more > LEAF_SIZE) close(i);
    size += more;
  }
  close(order.length);
  return leaves;
}

function rootHead({ inode, parentInode }: DirectoryEntries, nodeCount: number): Uint8Array {
  return dxRoot.encode({
    dotInode: inode, dotRecordLength: 12, dotNameLength: 1, dotFileType: fileTypes.directory, dotName: Buffer.from('.'),
    dotDotInode: parentInode, dotDotRecordLength: BLOCK_SIZE - 12, dotDotNameLength: 2, dotDotFileType: fileTypes.directory, dotDotName: Buffer.from('..'),
    hashVersion: HASH_FUNCTION.version, infoLength: 8, indirectLevels: nodeCount === 0 ? 0 : 1,
  }, new Uint8Array(BLOCK_SIZE));
}

/** Adds the entries, the first one's hash giving way to limit and count, and the tail. */
function indexBlock(block: Uint8Array, at: number, limit: number, entries: readonly { hash: number; block: number }[], seed: number): Uint8Array {
  const view = new DataView(block.buffer);
  entries.forEach((entry, i) => {
    view.setUint32(at + i * DX_ENTRY_SIZE, entry.hash, true);
    view.setUint32(at + i * DX_ENTRY_SIZE + 4, entry.block, true);
  });
  view.setUint16(at, limit, true);
  view.setUint16(at + 2, entries.length, true);
  const tail = at + limit * DX_ENTRY_SIZE;
  const overEntries = crc32c(seed, block, 0, at + entries.length * DX_ENTRY_SIZE);
  view.setUint32(tail + 4, crc32c(overEntries, block, tail, tail + DX_TAIL_SIZE), true); // over dt_reserved and dt_checksum, both still zero
  return block;
}
