/** Extended attributes: in the inode while they fit, else in a block that equal sets share. */
import { fromBytes, toBytes, type ByteString } from '../../bytes/byte-string.js';
import { crc32c } from '../../bytes/crc32c.js';
import { ThawfsError } from '../../errors.js';
import { XATTR_MAGIC, xattrBlockHeader, xattrEntry, xattrPrefixes } from '../../format/ext4/xattr.js';
import type { Xattr } from '../../model/tree.js';
import { BLOCK_SIZE } from '../../units.js';
import { toDiskAcl } from './acl.js';
import { xattrHash } from '../xattr-hash.js';
import { blockChecksumSeed } from './checksum.js';

/** An attribute as it is stored. */
export interface DiskXattr {
  readonly nameIndex: number;
  /** Without the prefix. */
  readonly name: ByteString;
  readonly value: Uint8Array;
}

/** Where the attributes of one inode go. */
export interface XattrPlaces {
  readonly body: readonly DiskXattr[];
  readonly block: readonly DiskXattr[];
}

/** Four zero bytes after the last entry. */
const END_SIZE = 4;
const BLOCK_ROOM = BLOCK_SIZE - xattrBlockHeader.size - END_SIZE;

/** Only what Linux can read back: user, the two ACLs, trusted, security. */
const prefixes = [1, 2, 3, 4, 6].map((index) => ({ index, prefix: xattrPrefixes[index]!, whole: index === 2 || index === 3 }));

/**
 * All in the inode, or all in the block, or, when neither holds them, the small ones in the inode.
 *
 * @param bodySize bytes for entries and values in the inode, the end mark included
 * @throws LIMIT_EXCEEDED when they do not fit; BAD_ARGUMENT, BAD_FIELD for what ext4 cannot store
 */
export function placeXattrs(xattrs: readonly Xattr[], bodySize: number): XattrPlaces {
  const all = xattrs.map(toDisk).sort(compare);
  all.forEach((xattr, i) => {
    if (i > 0 && compare(all[i - 1]!, xattr) === 0) throw new ThawfsError('BAD_ARGUMENT', `extended attribute "${xattr.name}" is given twice`, { detail: { name: xattr.name } });
  });
  const bodyRoom = bodySize - END_SIZE;
  const total = sizeOf(all);
  if (total <= bodyRoom) return { body: all, block: [] };
  if (total <= BLOCK_ROOM) return { body: [], block: all };
  const body: DiskXattr[] = [];
  const block: DiskXattr[] = [];
  let left = bodyRoom;
  for (const xattr of all) {
    const size = sizeOf([xattr]);
    const fits = size <= left;
    (fits ? body : block).push(xattr);
    if (fits) left -= size;
  }
  if (sizeOf(block) > BLOCK_ROOM) {
    throw new ThawfsError('LIMIT_EXCEEDED', `extended attributes need ${total} bytes, ext4 has room for ${BLOCK_ROOM + bodyRoom} at most`, {
      detail: { size: total, limit: BLOCK_ROOM + bodyRoom, names: xattrs.map(({ name }) => name) }, suggestion: 'Remove some attributes of this file.',
    });
  }
  return { body, block };
}

/** @returns bytes of entries and values, without the end mark. */
export function sizeOf(xattrs: readonly DiskXattr[]): number {
  return xattrs.reduce((size, { name, value }) => size + xattrEntry.size + padded(name.length) + padded(value.length), 0);
}

/** @returns text that two sets share exactly when their blocks can be one. */
export function xattrSetKey(xattrs: readonly DiskXattr[]): string {
  return xattrs.map(({ nameIndex, name, value }) => `${nameIndex} ${name.length} ${value.length} ${name}${fromBytes(value)}`).join('');
}

/**
 * Writes entries from `start` upwards and values from `end` downwards.
 *
 * @param origin what value offsets count from
 */
export function writeXattrs(target: Uint8Array, xattrs: readonly DiskXattr[], start: number, end: number, origin: number, hashes?: readonly number[]): void {
  let at = start;
  let valueAt = end;
  xattrs.forEach(({ nameIndex, name, value }, i) => {
    valueAt -= padded(value.length);
    target.set(value, valueAt);
    const valueOffset = value.length === 0 ? 0 : valueAt - origin;
    xattrEntry.encode({ nameLength: name.length, nameIndex, valueOffset, valueSize: value.length, hash: hashes?.[i] ?? 0 }, target, at);
    target.set(toBytes(name), at + xattrEntry.size);
    at += xattrEntry.size + padded(name.length);
  });
}

/** @param refcount inodes that share the block */
export function xattrBlock(xattrs: readonly DiskXattr[], refcount: number, blockNumber: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  const hashes = xattrs.map(({ name, value }) => xattrHash(name, value));
  const hash = hashes.reduce((sum, each) => (sum << 16 ^ sum >>> 16 ^ each) >>> 0, 0);
  xattrBlockHeader.encode({ magic: XATTR_MAGIC, refcount, blocks: 1, hash }, block);
  writeXattrs(block, xattrs, xattrBlockHeader.size, BLOCK_SIZE, 0, hashes);
  new DataView(block.buffer).setUint32(xattrBlockHeader.offsetOf('checksum'), crc32c(blockChecksumSeed(blockNumber), block), true);
  return block;
}

function toDisk({ name, value }: Xattr): DiskXattr {
  const found = prefixes.find(({ prefix, whole }) => (whole ? name === prefix : name.startsWith(prefix) && name.length > prefix.length));
  if (found === undefined || name.length - found.prefix.length > 255) {
    throw new ThawfsError('BAD_ARGUMENT', `extended attribute "${name}": ext4 has no place for this name`, {
      detail: { name }, suggestion: 'Only user., trusted., security. attributes and POSIX ACLs can be stored; remove this one.',
    });
  }
  return { nameIndex: found.index, name: name.slice(found.prefix.length), value: found.whole ? toDiskAcl(value, name) : value };
}

/** The order in which the kernel searches a block: index, length of name, name. */
function compare(a: DiskXattr, b: DiskXattr): number {
  return a.nameIndex - b.nameIndex || a.name.length - b.name.length || (a.name < b.name ? -1 : Number(a.name > b.name));
}

function padded(size: number): number {
  return size + 3 & ~3;
}
