/** An image as a tree of nodes: what extract, dump and diff take, and what a build from an ext4 image starts with. */
import type { ByteString } from '../../bytes/byte-string.js';
import type { RandomAccess } from '../../bytes/random-access.js';
import type { Content, Piece } from '../../model/content.js';
import { fileNode, type Attributes, type DirectoryNode, type TreeNode } from '../../model/tree.js';
import type { ThawfsError } from '../../errors.js';
import { ROOT_INODE } from '../../format/ext4/superblock.js';
import type { DirEntry } from './directory.js';
import { badField } from './fault.js';
import { inlinePieces } from './inline.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import type { Ext4Reader } from './reader.js';

/**
 * Reads all metadata, no contents: a file's pieces point into the image. Names that share an inode share a node.
 * `lost+found` is a directory like any other and stays in. Same image, same tree.
 *
 * @throws BAD_FIELD for what no tree can be: a directory under two names, an inode that its entry calls something
 * else, more names than links; else as {@link Ext4Reader}. Memory: about 300 bytes a file
 */
export function readTree(reader: Ext4Reader): DirectoryNode {
  const root = readRoot(reader);
  const met = new MetInodes();
  const pending = [{ number: ROOT_INODE, node: root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const named of readDirectory(reader, next.number)) {
      const node = met.nodeOf(named);
      if (node.kind === 'directory') pending.push({ number: named.inode.number, node });
      next.node.children.set(named.name, node);
    }
  }
  return root;
}

/** @returns the root directory, without its children */
export function readRoot(reader: Ext4Reader): DirectoryNode {
  return directoryNode(reader, reader.inode(ROOT_INODE));
}

/** A name and what it leads to: a node of its own, a directory without its children. */
export interface NamedNode { readonly name: ByteString; readonly inode: Ext4Inode; readonly node: TreeNode }

/**
 * @param number inode number of a directory
 * @returns its entries in the order of the inode table, which is then read from front to back; hash order would jump about in it
 * @throws BAD_FIELD for an entry that its inode contradicts
 */
export function readDirectory(reader: Ext4Reader, number: number): NamedNode[] {
  return reader.list(number).sort((a, b) => a.inode - b.inode).map((entry) => {
    const inode = reader.inode(entry.inode);
    checkEntry(reader, inode, entry, number);
    return { name: entry.name, inode, node: nodeOf(reader, inode) };
  });
}

/** The inodes met so far: names that share one share a node. Memory: a number for each, and the nodes that may have several names. */
export class MetInodes {
  readonly #single = new Set<number>();
  readonly #shared = new Map<number, { readonly node: TreeNode; names: number }>();

  /**
   * @returns the node of the first name of the inode
   * @throws BAD_FIELD for a directory under two names, or more names than links
   */
  nodeOf({ inode, node }: NamedNode): TreeNode {
    const tooMany = (): ThawfsError => badField(inodePlace(inode), 'links count', `is ${inode.links}, there are more names`);
    if (inode.kind === 'directory' || inode.links < 2) {
      if (this.#single.has(inode.number)) throw inode.kind === 'directory' ? badField(inodePlace(inode), 'links', 'lead here twice: a directory has one name') : tooMany();
      this.#single.add(inode.number);
      return node;
    }
    const met = this.#shared.get(inode.number);
    if (met === undefined) {
      this.#shared.set(inode.number, { node, names: 1 });
      return node;
    }
    if (++met.names > inode.links) throw tooMany();
    return met.node;
  }
}

function checkEntry(reader: Ext4Reader, inode: Ext4Inode, entry: DirEntry, directory: number): void {
  const place = inodePlace(inode);
  if (entry.kind !== undefined && entry.kind !== inode.kind) {
    throw badField(place, 'mode', `says ${inode.kind}, directory ${directory} calls it a ${entry.kind}`);
  }
  if (entry.inode < reader.volume.firstFileInode) throw badField(place, 'number', `is reserved, directory ${directory} names it`);
}

function nodeOf(reader: Ext4Reader, inode: Ext4Inode): TreeNode {
  switch (inode.kind) {
    case 'file': return fileNode(attributes(reader, inode), contentOf(reader, inode));
    case 'directory': return directoryNode(reader, inode);
    case 'symlink': return { ...attributes(reader, inode), kind: inode.kind, target: reader.readlink(inode) };
    case 'character-device':
    case 'block-device': return { ...attributes(reader, inode), kind: inode.kind, major: inode.major, minor: inode.minor };
    case 'fifo':
    case 'socket': return { ...attributes(reader, inode), kind: inode.kind };
  }
}

function directoryNode(reader: Ext4Reader, inode: Ext4Inode): DirectoryNode {
  if (inode.kind !== 'directory') throw badField(inodePlace(inode), 'mode', `says ${inode.kind}, a directory is wanted`);
  return { ...attributes(reader, inode), kind: 'directory', children: new Map<ByteString, TreeNode>() };
}

function attributes(reader: Ext4Reader, inode: Ext4Inode): Attributes {
  return {
    permissions: inode.permissions, uid: inode.uid, gid: inode.gid,
    mtimeSeconds: inode.modifyTime.seconds, mtimeNanoseconds: inode.modifyTime.nanoseconds,
    xattrs: reader.xattrs(inode),
  };
}

/** Pieces of the image; holes and unwritten extents are the gaps. Inline data is held as bytes. */
function contentOf(reader: Ext4Reader, inode: Ext4Inode): Content {
  if (inode.mapping === 'inline') {
    const pieces = inlinePieces(reader.volume, inode).map(({ logical, bytes }) => ({ offset: logical, length: bytes.length, source: bytes.slice(), sourceOffset: 0 }));
    return { size: inode.size, pieces };
  }
  const source = reader.volume.image;
  const { size } = inode;
  const extents = reader.extents(inode).filter(({ unwritten }) => !unwritten);
  if (extents.length === 1 && extents[0]!.length === size) return new OneExtent(size, source, extents[0]!.physical);
  return { size, pieces: extents.map(({ logical, physical, length }) => ({ offset: logical, length, source, sourceOffset: physical })) };
}

/** Most files of most images are these: one holds 48 bytes, and makes its piece when that is asked for. */
class OneExtent implements Content {
  constructor(readonly size: number, private readonly source: RandomAccess, private readonly sourceOffset: number) {}

  get pieces(): readonly Piece[] {
    return [{ offset: 0, length: this.size, source: this.source, sourceOffset: this.sourceOffset }];
  }
}
