/** The tree back-end: a FUSE file system over our own ext4 reader. No kernel code sees the image, so an untrusted one can harm nobody. */
import { constants } from 'node:os';
import type { ByteString } from '../bytes/byte-string.js';
import type { RandomAccess } from '../bytes/random-access.js';
import type { Ext4Inode } from '../ext4/reader/inode.js';
import { LruCache } from '../bytes/lru-cache.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import { ROOT_NODE } from '../format/fuse.js';
import {
  encodeDevice, FuseError, type DirectoryItem, type Entry, type FileSystem, type FileSystemStatistics, type NodeAttributes,
} from '../fuse/file-system.js';
import { typeBits } from '../model/tree.js';

/** Listings kept: a directory is read in many requests, and looked up in. Large ones are few, because they take memory. */
const LISTINGS_KEPT = 64;
const LARGE_LISTINGS_KEPT = 2;
/** Bytes of a directory above which it is large, and looked up through its hash tree instead of a listing. */
const LARGE_DIRECTORY = 64 * 1024;

/** Longest name in a directory, bytes. */
const NAME_MAX = 255;
/** Names that ext4 has attributes for. */
const XATTR_NAME = /^(?:(?:user|trusted|security)\..|system\.posix_acl_(?:access|default)$)/s;

/** Node ids are inode numbers, but for the root, which FUSE wants to be 1 (and ext4 never names its inode 1). */
const inodeOf = (node: number): number => node === ROOT_NODE ? Ext4Reader.rootInode : node;
const nodeOf = (inode: number): number => inode === Ext4Reader.rootInode ? ROOT_NODE : inode;

interface Listing {
  readonly items: readonly DirectoryItem[];
  /** Inode numbers, without the dots; empty for a large directory. */
  readonly byName: ReadonlyMap<ByteString, number>;
}

export interface Owner { readonly uid: number; readonly gid: number }

export class TreeFileSystem implements FileSystem {
  private opened: Ext4Reader | undefined;
  private readonly listings = new LruCache<number, Listing>(LISTINGS_KEPT);
  private readonly largeListings = new LruCache<number, Listing>(LARGE_LISTINGS_KEPT);

  /**
   * @param image may throw ChunkMissing
   * @param owner everything belongs to him: where other ids have no meaning (a user namespace, a mount of an ordinary user)
   */
  constructor(private readonly image: RandomAccess, private readonly owner?: Owner) {}

  lookup(directory: number, name: ByteString): Entry | undefined {
    if (name.length > NAME_MAX) throw new FuseError(constants.errno.ENAMETOOLONG);
    const inode = this.inode(directory);
    const found = inode.kind === 'directory' && inode.size <= LARGE_DIRECTORY
      ? this.listing(inode).byName.get(name) : this.reader.lookup(inode.number, name)?.inode;
    return found === undefined ? undefined : this.entry(found);
  }

  entry(number: number): Entry {
    const inode = this.reader.inode(number);
    return { node: nodeOf(number), generation: inode.generation, attributes: this.attributesOf(inode) };
  }

  getAttributes(node: number): NodeAttributes {
    return this.attributesOf(this.inode(node));
  }

  readLink(node: number): ByteString {
    return this.reader.readlink(this.inode(node));
  }

  read(node: number, offset: number, target: Uint8Array): number {
    return this.reader.readInto(this.inode(node), offset, target);
  }

  *list(directory: number, from: number): Iterable<DirectoryItem> {
    const { items } = this.listing(this.inode(directory));
    for (let i = from; i < items.length; i++) yield items[i]!;
  }

  getXattr(node: number, name: ByteString): Uint8Array | undefined {
    if (!XATTR_NAME.test(name)) throw new FuseError(constants.errno.ENOTSUP);
    return this.xattrs(node).find((xattr) => xattr.name === name)?.value;
  }

  listXattrs(node: number): readonly ByteString[] {
    return this.xattrs(node).map(({ name }) => name);
  }

  seek(node: number, offset: number, wanted: 'data' | 'hole'): number | undefined {
    const inode = this.inode(node);
    if (offset >= inode.size) return undefined;
    if (inode.mapping === 'inline') return wanted === 'data' ? offset : inode.size;
    let position = offset;
    for (const { logical, length, unwritten } of this.reader.extents(inode)) {
      const end = logical + length;
      if (end <= position || unwritten) continue;
      if (wanted === 'data') return Math.max(logical, position);
      if (logical > position) return position;
      position = end;
    }
    return wanted === 'hole' ? position : undefined;
  }

  statistics(): FileSystemStatistics {
    const { blockSize, blockCount, overheadBlocks, freeBlocks, inodeCount, freeInodes } = this.reader;
    return { blockSize, blocks: blockCount - overheadBlocks, blocksFree: freeBlocks, files: inodeCount, filesFree: freeInodes };
  }

  /** Made when first needed: it reads the superblock, which may not be here yet. */
  private get reader(): Ext4Reader {
    this.opened ??= new Ext4Reader(this.image);
    return this.opened;
  }

  private inode(node: number): Ext4Inode {
    return this.reader.inode(inodeOf(node));
  }

  private listing(directory: Ext4Inode): Listing {
    const cache = directory.size <= LARGE_DIRECTORY ? this.listings : this.largeListings;
    return cache.get(directory.number, () => {
      const dots = [['.', directory.number], ['..', this.reader.parent(directory.number)]] as const;
      const entries = this.reader.list(directory.number);
      const items = [
        ...dots.map(([name, inode]) => ({ name, inode, mode: typeBits.directory })),
        ...entries.map(({ name, inode, kind }) => ({ name, inode, mode: kind === undefined ? 0 : typeBits[kind] })),
      ];
      return { items, byName: new Map(directory.size <= LARGE_DIRECTORY ? entries.map(({ name, inode }) => [name, inode]) : []) };
    });
  }

  /** ACLs name ids too: where ids are squashed, they go. */
  private xattrs(node: number): readonly { readonly name: ByteString; readonly value: Uint8Array }[] {
    const all = this.reader.xattrs(this.inode(node));
    return this.owner !== undefined ? all.filter(({ name }) => !name.startsWith('system.posix_acl')) : all;
  }

  private attributesOf(inode: Ext4Inode): NodeAttributes {
    return {
      inode: inode.number, mode: typeBits[inode.kind] | inode.permissions, linkCount: inode.links,
      uid: this.owner?.uid ?? inode.uid, gid: this.owner?.gid ?? inode.gid,
      device: encodeDevice(inode.major, inode.minor), size: inode.kind === 'file' || inode.kind === 'directory' || inode.kind === 'symlink' ? inode.size : 0,
      blocks: inode.sectors, blockSize: this.reader.blockSize,
      atimeSeconds: inode.accessTime.seconds, atimeNanoseconds: inode.accessTime.nanoseconds,
      mtimeSeconds: inode.modifyTime.seconds, mtimeNanoseconds: inode.modifyTime.nanoseconds,
      ctimeSeconds: inode.changeTime.seconds, ctimeNanoseconds: inode.changeTime.nanoseconds,
    };
  }
}

