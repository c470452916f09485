/** The two places of xattr entries: what is left of the inode's record, and one block that inodes may share (kernel: Documentation/filesystems/ext4/attributes.rst). */
import { fromBytes, type ByteString } from '../../bytes/byte-string.js';
import { crc32c } from '../../bytes/crc32c.js';
import { xattrBlockHeader, xattrEntry, xattrInodeHeader, XATTR_MAGIC } from '../../format/ext4/xattr.js';
import { badChecksum, badField, type Place } from './fault.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import type { Volume } from './volume.js';

/** An entry as stored: prefix by number, value in place or in an inode of its own. */
export interface XattrEntry {
  readonly nameIndex: number;
  readonly name: ByteString;
  readonly valueSize: number;
  /** View of the record or block; empty when the value is in an inode. */
  readonly value: Uint8Array;
  /** Number of the inode that holds the value. */
  readonly valueInode: number | undefined;
  /** The value with what fills its last word up. */
  readonly words: Uint8Array;
  /** As stored. */
  readonly hash: number;
  readonly place: Place;
}

export interface XattrBlock {
  readonly place: Place;
  /** Inodes that share the block. */
  readonly references: number;
  readonly entries: XattrEntry[];
}

const CHECKSUM = xattrBlockHeader.offsetOf('checksum');
const zero = new Uint8Array(4);

/** @returns the entries inside the inode. @throws BAD_FIELD */
export function readInodeEntries(volume: Volume, inode: Ext4Inode): XattrEntry[] {
  const area = inode.xattrArea;
  if (area.length < xattrInodeHeader.size || xattrInodeHeader.decode(area).magic !== XATTR_MAGIC) return [];
  const place = { record: `xattrs of inode ${inode.number}`, offset: inode.offset + volume.inodeSize - area.length };
  return parseEntries(area, xattrInodeHeader.size, xattrInodeHeader.size, place);
}

/** @returns the block of further xattrs, undefined when the inode has none. @throws BAD_FIELD, CHECKSUM_MISMATCH */
export function readXattrBlock(volume: Volume, inode: Ext4Inode): XattrBlock | undefined {
  const number = inode.xattrBlock;
  if (number === 0) return undefined;
  volume.checkBlocks(number, 1, inodePlace(inode), 'xattr block');
  const bytes = volume.readBlock(number);
  const place = { record: `xattr block ${number} of inode ${inode.number}`, offset: number * volume.blockSize };
  const header = xattrBlockHeader.decode(bytes);
  if (header.magic !== XATTR_MAGIC) throw badField(place, 'magic', `is 0x${header.magic.toString(16)}`);
  if (header.blocks !== 1) throw badField(place, 'blocks', `is ${header.blocks}, only 1 is possible`);
  if (volume.hasMetadataChecksums) {
    const blockNumber = new Uint8Array(8);
    new DataView(blockNumber.buffer).setBigUint64(0, BigInt(number), true);
    let computed = crc32c(volume.checksumSeed, blockNumber);
    computed = crc32c(computed, bytes, 0, CHECKSUM);
    computed = crc32c(computed, zero);
    computed = crc32c(computed, bytes, CHECKSUM + 4);
    if (header.checksum !== computed) throw badChecksum(place, header.checksum, computed);
  }
  return { place, references: header.refcount, entries: parseEntries(bytes, xattrBlockHeader.size, 0, place) };
}

/** @param valueBase where value offsets count from */
function parseEntries(area: Uint8Array, start: number, valueBase: number, place: Place): XattrEntry[] {
  const entries: XattrEntry[] = [];
  const view = new DataView(area.buffer, area.byteOffset, area.byteLength);
  let at = start;
  while (at + 4 <= area.length && view.getUint32(at, true) !== 0) { // four zero bytes end the list
    const here = { record: place.record, offset: place.offset + at };
    if (at + xattrEntry.size > area.length) throw badField(here, 'entry', 'is cut off');
    const head = xattrEntry.decode(area, at);
    const nameEnd = at + xattrEntry.size + head.nameLength;
    if (nameEnd > area.length) throw badField(here, 'name length', `is ${head.nameLength}, ${area.length - at} bytes are left`);
    const name = fromBytes(area.subarray(at + xattrEntry.size, nameEnd));
    if (name.includes('\0')) throw badField(here, 'name', 'holds a zero byte');
    const inPlace = head.valueInode === 0;
    const valueAt = valueBase + head.valueOffset;
    if (inPlace && head.valueSize > 0 && valueAt + head.valueSize > area.length) {
      throw badField(here, 'value', `ends at ${valueAt + head.valueSize}, beyond ${area.length}`);
    }
    const valueSize = inPlace ? head.valueSize : 0;
    entries.push({
      nameIndex: head.nameIndex, name, valueSize: head.valueSize, hash: head.hash, place: here,
      value: area.subarray(valueAt, valueAt + valueSize), words: area.subarray(valueAt, valueAt + Math.ceil(valueSize / 4) * 4),
      valueInode: inPlace ? undefined : head.valueInode,
    });
    at += Math.ceil((xattrEntry.size + head.nameLength) / 4) * 4;
  }
  if (at + 4 > area.length) throw badField(place, 'entries', 'are not ended by zeros');
  requireValuesBehind(entries, area, at + 4, place);
  return entries;
}

/** Values grow downward from the end; one that reaches into the entries would be read as both. */
function requireValuesBehind(entries: XattrEntry[], area: Uint8Array, entriesEnd: number, place: Place): void {
  for (const { name, value } of entries) {
    if (value.length > 0 && value.byteOffset - area.byteOffset < entriesEnd) throw badField(place, `value of ${JSON.stringify(name)}`, 'overlaps the entries');
  }
}
