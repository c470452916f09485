/** A file system of one file: how a raw image is handed to a loop device. */
import { constants } from 'node:os';
import { ROOT_NODE } from '../format/fuse.js';
import { FuseError, type DirectoryItem, type Entry, type FileSystem, type FileSystemStatistics, type NodeAttributes } from './file-system.js';

const FILE_NODE = 2;
const BLOCK = 4096;

/** Where the bytes of the file come from. Reads never leave `size`. */
export interface FileBytes {
  readonly size: number;
  /** Fills `target` with the bytes at `offset`; throws ChunkMissing when some are not here yet. */
  readInto(target: Uint8Array, offset: number): void;
}

export class SingleFile implements FileSystem {
  constructor(private readonly name: string, private readonly bytes: FileBytes) {}

  lookup(directory: number, name: string): Entry | undefined {
    if (directory !== ROOT_NODE || name !== this.name) return undefined;
    return this.entry(FILE_NODE);
  }

  entry(inode: number): Entry {
    return { node: inode, generation: 0, attributes: this.getAttributes(inode) };
  }

  getAttributes(node: number): NodeAttributes {
    const file = node === FILE_NODE;
    if (!file && node !== ROOT_NODE) throw new FuseError(constants.errno.ENOENT);
    return {
      inode: node, mode: file ? 0o100400 : 0o040500, linkCount: file ? 1 : 2, uid: 0, gid: 0, device: 0,
      size: file ? this.bytes.size : 0, blocks: file ? Math.ceil(this.bytes.size / 512) : 0, blockSize: BLOCK,
      atimeSeconds: 0, atimeNanoseconds: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, ctimeSeconds: 0, ctimeNanoseconds: 0,
    };
  }

  read(node: number, offset: number, target: Uint8Array): number {
    if (node !== FILE_NODE) throw new FuseError(constants.errno.EISDIR);
    const length = Math.max(0, Math.min(target.length, this.bytes.size - offset));
    if (length > 0) this.bytes.readInto(target.subarray(0, length), offset);
    return length;
  }

  *list(directory: number, from: number): Iterable<DirectoryItem> {
    if (directory !== ROOT_NODE) throw new FuseError(constants.errno.ENOTDIR);
    yield* [
      { name: '.', inode: ROOT_NODE, mode: 0o040500 },
      { name: '..', inode: ROOT_NODE, mode: 0o040500 },
      { name: this.name, inode: FILE_NODE, mode: 0o100400 },
    ].slice(from);
  }

  readLink(): string { throw new FuseError(constants.errno.EINVAL); }
  getXattr(): undefined { return undefined; }
  listXattrs(): readonly string[] { return []; }

  seek(_node: number, offset: number, wanted: 'data' | 'hole'): number | undefined {
    if (offset >= this.bytes.size) return undefined;
    return wanted === 'data' ? offset : this.bytes.size;
  }

  statistics(): FileSystemStatistics {
    return { blockSize: BLOCK, blocks: Math.ceil(this.bytes.size / BLOCK), blocksFree: 0, files: 2, filesFree: 0 };
  }
}
