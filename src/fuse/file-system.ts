/**
 * What a file system must answer, synchronously and without state: a node id means the same in every process that
 * serves the mount, so that a server may die and its successor answer what was in flight.
 */
import type { ByteString } from '../bytes/byte-string.js';

/** Attributes of a node as stat(2) shows them. */
export interface NodeAttributes {
  /** Inode number for people. */
  readonly inode: number;
  /** Type and permission bits. */
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  /** In the kernel's 32-bit encoding ({@link encodeDevice}); 0 unless a device node. */
  readonly device: number;
  readonly size: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
  readonly blockSize: number;
  /** Seconds since 1970, negative before. */
  readonly atimeSeconds: number;
  readonly atimeNanoseconds: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly ctimeSeconds: number;
  readonly ctimeNanoseconds: number;
}

/** A node with its attributes: the answer to a look-up. */
export interface Entry {
  /** 1 is the root; below 2^53. */
  readonly node: number;
  readonly generation: number;
  readonly attributes: NodeAttributes;
}

/** A name in a directory. */
export interface DirectoryItem {
  readonly name: ByteString;
  readonly inode: number;
  /** Type and permission bits; only the type is used. */
  readonly mode: number;
}

export interface FileSystemStatistics {
  readonly blockSize: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly files: number;
  readonly filesFree: number;
}

/**
 * Every method may throw {@link FuseError} for an errno, or `ChunkMissing` for what is not here yet: then the request
 * is answered later by another run of the same method, so a method changes nothing outside itself before its last read.
 */
export interface FileSystem {
  /** @returns undefined when there is no such name; the kernel then caches its absence. */
  lookup(directory: number, name: ByteString): Entry | undefined;
  /** @param inode of an item that {@link FileSystem.list} gave */
  entry(inode: number): Entry;
  getAttributes(node: number): NodeAttributes;
  readLink(node: number): ByteString;
  /** Fills `target` from the start. @returns bytes read; fewer than `target.length` only at the end of the file */
  read(node: number, offset: number, target: Uint8Array): number;
  /** @returns the items from ordinal `from` (0 = first, "." and ".." included) in an order that never changes. */
  list(directory: number, from: number): Iterable<DirectoryItem>;
  /** @returns undefined when the node has no such attribute. */
  getXattr(node: number, name: ByteString): Uint8Array | undefined;
  listXattrs(node: number): readonly ByteString[];
  /** @returns the next position at or after `offset` inside data (or inside a hole); undefined when there is none. */
  seek(node: number, offset: number, wanted: 'data' | 'hole'): number | undefined;
  statistics(): FileSystemStatistics;
}

/** An errno to answer: control flow between a file system and its session. */
export class FuseError extends Error {
  override readonly name = 'FuseError';
  /** @param errno positive, as in `os.constants.errno` */
  constructor(readonly errno: number) {
    super(`errno ${errno}`);
  }
}

/** The kernel's new_encode_dev(): 12 bits of major, 20 of minor. */
export function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & ~0xff) << 12)) >>> 0;
}
