/**
 * Requests that nobody sent. A standby answers some before its first real one: what they need is loaded, compiled and in memory then, and
 * who waited for a dead server waits for that no more.
 */
import { toBytes } from '../bytes/byte-string.js';
import { readRequest, requestHeader, ROOT_NODE } from '../format/fuse.js';
import { typeBits, typeMask } from '../model/tree.js';
import type { FileSystem } from './file-system.js';
import { GETATTR, LOOKUP, READ } from './opcodes.js';

/** Regular files that are looked at, and directories on the way to them. */
const FILES = 12;
const DIRECTORIES = 24;
/** Of each file the first bytes of so many stretches are read: each is another chunk. */
const READS = 4;
const READ_SIZE = 4096;
const STRETCH = 128 * 1024;

/** @returns look-ups, attributes and reads of the first files of the tree. May throw whatever listing a directory throws */
export function* rehearsal(fileSystem: FileSystem): Iterable<Uint8Array> {
  const directories = [ROOT_NODE];
  let files = 0;
  for (let i = 0; i < directories.length && i < DIRECTORIES && files < FILES; i++) {
    const directory = directories[i]!;
    for (const { name, inode, mode } of fileSystem.list(directory, 0)) {
      if (name === '.' || name === '..' || files === FILES) continue;
      yield encode(LOOKUP, directory, Buffer.concat([toBytes(name), Buffer.of(0)]));
      const { node, attributes: { size } } = fileSystem.entry(inode);
      yield encode(GETATTR, node, new Uint8Array(0));
      if ((mode & typeMask) === typeBits.directory) directories.push(node);
      if ((mode & typeMask) !== typeBits.file || size === 0) continue;
      files++;
      for (let at = 0; at < READS * STRETCH && at < size; at += STRETCH) yield encode(READ, node, readRequest.encode({ offset: BigInt(at), size: READ_SIZE }));
    }
  }
}

function encode(opcode: number, nodeId: number, body: Uint8Array): Uint8Array {
  const length = requestHeader.size + body.length;
  return Buffer.concat([requestHeader.encode({ length, opcode, nodeId: BigInt(nodeId) }), body]);
}
