/** Extended attributes as listxattr(2) and getxattr(2) give them. */
import { crc32c } from '../../bytes/crc32c.js';
import type { Xattr } from '../../model/tree.js';
import { inodeFlags } from '../../format/ext4/inode.js';
import { INLINE_DATA_XATTR, xattrPrefixes } from '../../format/ext4/xattr.js';
import { xattrHash } from '../xattr-hash.js';
import { decodeAcl } from './acl.js';
import { readContent } from './content.js';
import { badChecksum, badField, beyondLimit, type Place } from './fault.js';
import { readInode, type Ext4Inode } from './inode.js';
import type { Volume } from './volume.js';
import { readInodeEntries, readXattrBlock, type XattrEntry } from './xattr-entries.js';

/** XATTR_SIZE_MAX: more than this no system call can give or take. */
const VALUE_MAX = 65_536;
const ACL_ACCESS = 2;
const ACL_DEFAULT = 3;
/** Prefixes that are whole names. */
const wholeNames = new Set([ACL_ACCESS, ACL_DEFAULT, 8]);

const none: readonly Xattr[] = Object.freeze([]);

/** @returns all xattrs, sorted by name; the caller owns the values. @throws BAD_FIELD, CHECKSUM_MISMATCH, LIMIT_EXCEEDED */
export function readXattrs(volume: Volume, inode: Ext4Inode): readonly Xattr[] {
  const entries = [...readInodeEntries(volume, inode), ...readXattrBlock(volume, inode)?.entries ?? []];
  if (entries.length === 0) return none;
  const xattrs = entries.filter((entry) => !isInlineData(entry)).map((entry) => ({ name: fullName(entry), value: valueOf(volume, entry) }));
  xattrs.sort((a, b) => a.name < b.name ? -1 : 1);
  for (let i = 1; i < xattrs.length; i++) {
    if (xattrs[i]!.name === xattrs[i - 1]!.name) throw badField({ record: `xattrs of inode ${inode.number}`, offset: inode.offset }, 'name', `${JSON.stringify(xattrs[i]!.name)} is there twice`);
  }
  return xattrs;
}

function isInlineData({ nameIndex, name }: XattrEntry): boolean {
  return nameIndex === INLINE_DATA_XATTR.nameIndex && name === INLINE_DATA_XATTR.name;
}

function fullName({ nameIndex, name, place }: XattrEntry): string {
  const prefix = xattrPrefixes[nameIndex];
  if (prefix === undefined) throw badField(place, 'name index', `is ${nameIndex}`);
  if ((name === '') !== wholeNames.has(nameIndex)) throw badField(place, 'name', name === '' ? 'is empty' : `follows ${prefix}, which is a whole name`);
  return prefix + name;
}

function valueOf(volume: Volume, entry: XattrEntry): Uint8Array {
  if (entry.valueSize > VALUE_MAX) throw beyondLimit(entry.place, 'value size', `is ${entry.valueSize}, at most ${VALUE_MAX} is possible`);
  const value = entry.valueInode === undefined ? entry.value.slice() : readValueInode(volume, entry, entry.valueInode);
  return entry.nameIndex === ACL_ACCESS || entry.nameIndex === ACL_DEFAULT ? decodeAcl(value, entry.place) : value;
}

/** With ea_inode a large value is the content of an inode; its hash is kept in that inode's access time (kernel: ext4_xattr_inode_get_hash). */
function readValueInode(volume: Volume, entry: XattrEntry, number: number): Uint8Array {
  const inode = requireValueInode(volume, number, entry.place);
  if (inode.size !== entry.valueSize) throw badField(entry.place, 'value size', `is ${entry.valueSize}, inode ${number} has ${inode.size} bytes`);
  const value = readContent(volume, inode, 0, inode.size);
  const computed = crc32c(volume.checksumSeed, value);
  const stored = hashOfValueInode(inode);
  if (stored !== computed) throw badChecksum({ record: `xattr value in inode ${number}`, offset: inode.offset }, stored, computed);
  return value;
}

function hashOfValueInode({ accessTime }: Ext4Inode): number {
  return (accessTime.seconds & 0xffff_ffff) >>> 0;
}

/**
 * Nobody who reads looks at hashes.
 *
 * @param inBody entries in the inode, whose hash may be absent
 * @throws CHECKSUM_MISMATCH for a hash that is not that of name and value
 */
export function checkXattrHashes(volume: Volume, entries: readonly XattrEntry[], inBody: boolean): void {
  for (const { name, words, hash, valueInode, place } of entries) {
    if (inBody && hash === 0) continue;
    const value = valueInode === undefined ? words : wordOf(hashOfValueInode(requireValueInode(volume, valueInode, place)));
    const computed = xattrHash(name, value);
    if (hash !== computed && hash !== xattrHash(name, value, true)) throw badChecksum(place, hash, computed);
  }
}

function wordOf(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24);
}

/** @returns the inode that holds a value. @throws BAD_FIELD when it is no such inode */
export function requireValueInode(volume: Volume, number: number, place: Place): Ext4Inode {
  const inode = readInode(volume, number);
  if (inode?.kind !== 'file' || !inodeFlags.has(inode.flags, 'eaInode')) throw badField(place, 'value inode', `${number} holds no xattr value`);
  return inode;
}
