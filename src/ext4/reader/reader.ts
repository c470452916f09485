/** Reading ext2, ext3 and ext4 images without mounting them. Format: linux Documentation/filesystems/ext4. */
import type { ByteString } from '../../bytes/byte-string.js';
import type { RandomAccess } from '../../bytes/random-access.js';
import { hasCode } from '../../errors.js';
import type { Xattr } from '../../model/tree.js';
import { fromBytes } from '../../bytes/byte-string.js';
import { ROOT_INODE } from '../../format/ext4/superblock.js';
import { contentExtents, readContent, readContentInto, type Extent } from './content.js';
import { findLinear, isIndexed, readEntries, type DirEntry } from './directory.js';
import { badField, beyondLimit } from './fault.js';
import { featureNames } from './features.js';
import { findIndexed } from './htree.js';
import { inodePlace, readInode, type Ext4Inode } from './inode.js';
import { LruCache } from '../../bytes/lru-cache.js';
import { resolvePath, type Resolved } from './path.js';
import { readVerity, type VerityData } from './verity.js';
import { Volume } from './volume.js';
import { readXattrs } from './xattrs.js';

/** One page of path: no symlink that Linux makes is longer. */
const TARGET_MAX = 4096;
const INODE_CACHE_SIZE = 4096;

/**
 * A synchronous reader over any {@link RandomAccess}. It keeps no state but caches of decoded inodes and groups, so a
 * call that throws ChunkMissing can simply be made again. Every record is checked before it is believed; the errors of
 * all methods are BAD_FIELD, CHECKSUM_MISMATCH, LIMIT_EXCEEDED and TRUNCATED with record, field and byte offset, and
 * FEATURE_UNSUPPORTED with the feature's name.
 *
 * @example
 * const reader = new Ext4Reader(image);
 * const { inode } = reader.resolve(fromText('/etc/hosts'));
 * const bytes = reader.read(inode, 0, inode.size);
 */
export class Ext4Reader {
  static readonly rootInode = ROOT_INODE;

  /** Checked geometry and block access, for the structure check beside this class. */
  readonly volume: Volume;
  private readonly inodes = new LruCache<number, Ext4Inode>(INODE_CACHE_SIZE);

  /**
   * Reads the superblock; descriptors and everything else when they are needed.
   *
   * @throws BAD_MAGIC when it is no ext2, ext3 or ext4; TRUNCATED when the image is shorter than the file system; FEATURE_UNSUPPORTED
   */
  constructor(image: RandomAccess) {
    this.volume = new Volume(image);
  }

  /** Bytes. */
  get blockSize(): number { return this.volume.blockSize; }
  /** Blocks of the file system, used and free. */
  get blockCount(): number { return this.volume.blockCount; }
  get inodeCount(): number { return this.volume.inodeCount; }
  /** Blocks that statfs(2) does not count: what the file system needs for itself. 0 when the superblock does not say. */
  get overheadBlocks(): number { return this.volume.superblock.overheadClusters; }
  /** As the superblock says. */
  get freeBlocks(): number { return this.volume.freeBlocks; }
  get freeInodes(): number { return this.volume.superblock.freeInodesCount; }
  /** Sixteen bytes; a view, not to be written into. */
  get uuid(): Uint8Array { return this.volume.uuid; }
  /** Up to sixteen bytes; empty when there is none. */
  get volumeName(): ByteString { return fromBytes(this.volume.superblock.volumeName).replace(/\0.*$/s, ''); }
  /** Names as dumpe2fs(8) prints them; a bit without a name as `0x…`. */
  get features(): string[] { return featureNames(this.volume.superblock); }

  /**
   * @param number 1..inodeCount
   * @returns the decoded inode; shared with a cache, not to be changed
   * @throws BAD_FIELD also when it is not in use
   */
  inode(number: number): Ext4Inode {
    return this.inodes.get(number, () => {
      const inode = readInode(this.volume, number);
      if (inode === undefined) throw badField({ record: `inode ${number}`, offset: this.volume.inodeOffset(number) }, 'links count', 'is 0: it is not in use');
      return inode;
    });
  }

  /**
   * Through the hash tree when the directory has one that is sound, else entry by entry; `.` and `..` are found too.
   *
   * @returns undefined when there is no such name
   */
  lookup(directory: number, name: ByteString): DirEntry | undefined {
    const inode = this.directory(directory);
    if (isIndexed(this.volume, inode)) {
      try {
        return findIndexed(this.volume, inode, name);
      } catch (error) {
        if (!hasCode(error, 'BAD_FIELD')) throw error;
      }
    }
    return findLinear(this.volume, inode, name);
  }

  /**
   * @returns the entries in disk order, without `.` and `..`
   * @throws BAD_FIELD also for a name that is there twice. Memory: as the directory has names
   */
  list(directory: number): DirEntry[] {
    const inode = this.directory(directory);
    const entries: DirEntry[] = [];
    const names = new Set(['.', '..']);
    let dots = 0;
    for (const entry of readEntries(this.volume, inode)) {
      if (dots < 2) { dots++; continue; } // the two first, which readEntries vouches for
      if (names.has(entry.name)) throw badField(inodePlace(inode), 'name', `${JSON.stringify(entry.name)} is there twice`);
      names.add(entry.name);
      entries.push(entry);
    }
    return entries;
  }

  /** @returns the inode that `..` of a directory names. */
  parent(directory: number): number {
    return findLinear(this.volume, this.directory(directory), '..')!.inode;
  }

  /**
   * @param offset byte offset in the content
   * @returns at most `length` bytes, fewer only at the end of the file; the caller owns them. Memory and reads: as asked
   */
  read(inode: Ext4Inode, offset: number, length: number): Uint8Array {
    this.requireKind(inode, 'file');
    return readContent(this.volume, inode, offset, length);
  }

  /** As {@link read}, into memory of the caller's. @returns how many bytes there were */
  readInto(inode: Ext4Inode, offset: number, target: Uint8Array): number {
    this.requireKind(inode, 'file');
    return readContentInto(this.volume, inode, offset, target);
  }

  /** @returns where the content lies in the image, ascending; gaps are holes. Empty for inline data: use {@link read}. */
  extents(inode: Ext4Inode): Extent[] {
    this.requireKind(inode, 'file');
    return contentExtents(this.volume, inode);
  }

  /** @returns the target of a symlink. @throws LIMIT_EXCEEDED beyond 4096 bytes */
  readlink(inode: Ext4Inode): ByteString {
    this.requireKind(inode, 'symlink');
    if (inode.size > TARGET_MAX) throw beyondLimit(inodePlace(inode), 'size', `is ${inode.size}, a symlink has at most ${TARGET_MAX} bytes`);
    const target = fromBytes(this.targetBytes(inode));
    if (target === '' || target.includes('\0')) throw badField(inodePlace(inode), 'symlink target', target === '' ? 'is empty' : 'holds a zero byte');
    return target;
  }

  /** @returns all xattrs sorted by name, values as getxattr(2) gives them (ACLs in version 2); the caller owns them. */
  xattrs(inode: Ext4Inode): readonly Xattr[] {
    return readXattrs(this.volume, inode);
  }

  /**
   * @param path from the root; leading, doubled and trailing slashes do not matter; empty is the root
   * @param options.followSymlinks whether a symlink at the end is followed too (those on the way always are); default true
   * @throws PATH_MISSING; LIMIT_EXCEEDED after 40 symlinks. Never leaves the image: `..` of the root is the root
   */
  resolve(path: ByteString, options: { readonly followSymlinks?: boolean } = {}): Resolved {
    return resolvePath(this, path, options.followSymlinks ?? true);
  }

  /** @returns what fs-verity keeps behind the content, undefined when the file is none of its files. */
  verity(inode: Ext4Inode): VerityData | undefined {
    return readVerity(this.volume, inode);
  }

  private directory(number: number): Ext4Inode {
    const inode = this.inode(number);
    this.requireKind(inode, 'directory');
    return inode;
  }

  private requireKind(inode: Ext4Inode, kind: Ext4Inode['kind']): void {
    if (inode.kind !== kind) throw badField(inodePlace(inode), 'mode', `says ${inode.kind}, a ${kind} is wanted`);
  }

  private targetBytes(inode: Ext4Inode): Uint8Array {
    return inode.mapping === 'none' ? inode.blockArea.subarray(0, inode.size) : readContent(this.volume, inode, 0, inode.size);
  }
}
