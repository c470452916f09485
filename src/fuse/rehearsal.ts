/**
 * Requests that nobody sent. A server answers some before its first real one, or while it has nothing to do: what they need is loaded,
 * compiled and in memory then, and nobody waits for that. Until then a read takes four times as long.
 */
import { toBytes } from '../bytes/byte-string.js';
import { readRequest, requestHeader, ROOT_NODE } from '../format/fuse.js';
import { typeBits, typeMask } from '../model/tree.js';
import { BLOCK_SIZE } from '../units.js';
import type { FileSystem } from './file-system.js';
import { GETATTR, LOOKUP, READ } from './opcodes.js';

/** Directories that are listed, and regular files that are looked up: at least so many, more while they are too small for the reads. */
const DIRECTORIES = 24;
const FILES = 12;
/** Bytes from one read to the next, at least: each is another chunk. They go all over the files, and so over the pages and digests that lead to its chunks. */
const STRETCH = 128 * 1024;

interface Script { readonly node: number; readonly size: number }

/**
 * @param reads about so many
 * @returns look-ups, attributes and reads of the first files of the tree. May throw whatever listing a directory throws
 */
export function* rehearsal(fileSystem: FileSystem, reads: number): Generator<Uint8Array, void> {
  const files: Script[] = [];
  yield* lookups(fileSystem, reads, files);
  const step = Math.max(STRETCH, Math.floor(files.reduce((sum, { size }) => sum + size, 0) / reads / BLOCK_SIZE) * BLOCK_SIZE);
  for (const { node, size } of files) {
    for (let at = 0; at < size; at += step) yield encode(READ, node, readRequest.encode({ offset: BigInt(at), size: BLOCK_SIZE }));
  }
}

/** @param found receives the files to read */
function* lookups(fileSystem: FileSystem, wanted: number, found: Script[]): Generator<Uint8Array, void> {
  const directories = [ROOT_NODE];
  let reads = 0;
  for (let i = 0; i < directories.length && i < DIRECTORIES; i++) {
    const directory = directories[i]!;
    for (const { name, inode, mode } of fileSystem.list(directory, 0)) {
      if (name === '.' || name === '..') continue;
      if (reads >= wanted && found.length >= FILES) return;
      yield encode(LOOKUP, directory, Buffer.concat([toBytes(name), Buffer.of(0)]));
      const { node, attributes: { size } } = fileSystem.entry(inode);
      yield encode(GETATTR, node, new Uint8Array(0));
      if ((mode & typeMask) === typeBits.directory) directories.push(node);
      if ((mode & typeMask) !== typeBits.file || size === 0) continue;
      found.push({ node, size });
      reads += Math.ceil(size / STRETCH);
    }
  }
}

function encode(opcode: number, nodeId: number, body: Uint8Array): Uint8Array {
  const length = requestHeader.size + body.length;
  return Buffer.concat([requestHeader.encode({ length, opcode, nodeId: BigInt(nodeId) }), body]);
}
