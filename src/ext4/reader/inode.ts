/**
 * Inodes, decoded and checked. Read by direct DataView calls, because a whole-image walk decodes every one of them; a
 * test holds the offsets against the table in src/format/ext4.
 */
import { crc32c } from '../../bytes/crc32c.js';
import { typeBits, typeMask, type NodeKind } from '../../model/tree.js';
import { INODE_BLOCK_SIZE, INODE_CORE_SIZE, inodeFlags } from '../../format/ext4/inode.js';
import { badChecksum, badField, unsupported, type Place } from './fault.js';
import type { Volume } from './volume.js';

export interface Timestamp {
  /** Since 1970, negative before. */
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** Where the content lies: an extent tree, indirect blocks, inside the inode, or there is none (devices, fast symlinks). */
export type Mapping = 'extents' | 'indirect' | 'inline' | 'none';

export interface Ext4Inode {
  readonly number: number;
  /** Byte offset of the record in the image. */
  readonly offset: number;
  readonly kind: NodeKind;
  /** 0..0o7777. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; of a symlink, of its target. */
  readonly size: number;
  /** i_links_count: names, and for a directory 2 + sub-directories, or 1 when there are too many to count. */
  readonly links: number;
  /** i_flags as stored. */
  readonly flags: number;
  readonly generation: number;
  readonly accessTime: Timestamp;
  readonly changeTime: Timestamp;
  readonly modifyTime: Timestamp;
  /** Space in units of 512 bytes, as st_blocks. */
  readonly sectors: number;
  /** Of a device, else 0. */
  readonly major: number;
  readonly minor: number;
  readonly mapping: Mapping;
  /** i_block: the root of the map, a fast symlink's target or the start of inline data. */
  readonly blockArea: Uint8Array;
  /** What follows the fields inside the record: room for xattrs; empty when there is none. */
  readonly xattrArea: Uint8Array;
  /** Block of further xattrs, 0 = none. */
  readonly xattrBlock: number;
  /** l_i_version: low half of the reference count when this inode holds an xattr value. */
  readonly version: number;
  /** Seed of the checksums of this inode's own metadata blocks; 0 without metadata_csum. */
  readonly checksumSeed: number;
}

const BLOCK_AREA = 0x28;
const CHECKSUM_LOW = 0x7c;
const CHECKSUM_HIGH = 0x82;
const zero = new Uint8Array(4);
const seedBytes = new Uint8Array(8);
const seedView = new DataView(seedBytes.buffer);
const kinds = new Map(Object.entries(typeBits).map(([kind, bits]) => [bits, kind as NodeKind]));

/** @returns the place of an inode in messages. */
export function inodePlace(inode: Ext4Inode): Place {
  return { record: `inode ${inode.number}`, offset: inode.offset };
}

/**
 * @param number 1..inodeCount
 * @returns the inode, or undefined when the record is free (no links)
 * @throws BAD_FIELD, CHECKSUM_MISMATCH, LIMIT_EXCEEDED, FEATURE_UNSUPPORTED (encrypted, casefolded, compressed)
 */
export function readInode(volume: Volume, number: number): Ext4Inode | undefined {
  const offset = volume.inodeOffset(number);
  return decodeInode(volume, number, volume.inodeRecord(offset), offset);
}

/** As readInode, of a record that was read before. The inode keeps views of `record`: it must not change any more. */
export function decodeInode(volume: Volume, number: number, record: Uint8Array, offset: number): Ext4Inode | undefined {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const links = view.getUint16(0x1a, true); // i_links_count
  if (links === 0) return undefined;

  const place = { record: `inode ${number}`, offset };
  const generation = view.getUint32(0x64, true); // i_generation
  const extraSize = readExtraSize(volume, view, place);
  const checksumSeed = volume.hasMetadataChecksums ? seedOf(volume, number, generation) : 0;
  if (volume.hasMetadataChecksums) verifyChecksum(view, record, extraSize, checksumSeed, place);

  const mode = view.getUint16(0, true); // i_mode
  const kind = kinds.get(mode & typeMask);
  if (kind === undefined) throw badField(place, 'mode', `0o${mode.toString(8)} has no known file type`);
  const flags = view.getUint32(0x20, true); // i_flags
  refuseForeignFlags(flags, place);

  const hasHighSize = kind === 'file' || volume.hasLargeDirectories;
  const size = view.getUint32(4, true) + (hasHighSize ? view.getUint32(0x6c, true) * 2 ** 32 : 0); // i_size_lo, i_size_high
  if (!Number.isSafeInteger(size)) throw badField(place, 'size', 'is beyond 2^53-1');
  const blockArea = record.subarray(BLOCK_AREA, BLOCK_AREA + INODE_BLOCK_SIZE);
  const device = isDevice(kind) ? decodeDevice(view) : { major: 0, minor: 0 };
  const bodyStart = Math.min(record.length, INODE_CORE_SIZE + extraSize);
  return {
    number, offset, kind, permissions: mode & 0o7777,
    uid: view.getUint16(2, true) + view.getUint16(0x78, true) * 2 ** 16, // i_uid, l_i_uid_high
    gid: view.getUint16(0x18, true) + view.getUint16(0x7a, true) * 2 ** 16, // i_gid, l_i_gid_high
    size, links, flags, generation,
    accessTime: readTime(view, 0x08, extraSize, 0x8c, place, 'atime'),
    changeTime: readTime(view, 0x0c, extraSize, 0x84, place, 'ctime'),
    modifyTime: readTime(view, 0x10, extraSize, 0x88, place, 'mtime'),
    sectors: readSectors(volume, view, flags),
    major: device.major, minor: device.minor,
    mapping: mappingOf(volume, kind, flags, size, place),
    blockArea,
    // Without i_extra_isize nothing says where the fields end, so there are no xattrs in the record.
    xattrArea: extraSize === 0 ? record.subarray(record.length) : record.subarray(bodyStart),
    xattrBlock: view.getUint32(0x68, true) + (volume.has64Bit ? view.getUint16(0x76, true) * 2 ** 32 : 0), // i_file_acl_lo, l_i_file_acl_high
    version: view.getUint32(0x24, true), // l_i_version
    checksumSeed,
  };
}

function readExtraSize(volume: Volume, view: DataView, place: Place): number {
  if (volume.inodeSize === INODE_CORE_SIZE) return 0;
  const extraSize = view.getUint16(0x80, true); // i_extra_isize
  if (extraSize % 4 !== 0 || extraSize > volume.inodeSize - INODE_CORE_SIZE) {
    throw badField(place, 'extra size', `is ${extraSize}, expected a multiple of 4 up to ${volume.inodeSize - INODE_CORE_SIZE}`);
  }
  return extraSize;
}

function seedOf(volume: Volume, number: number, generation: number): number {
  seedView.setUint32(0, number, true);
  seedView.setUint32(4, generation, true);
  return crc32c(volume.checksumSeed, seedBytes);
}

/** Checksum over the record with its two checksum halves as zeros (kernel: ext4_inode_csum). */
function verifyChecksum(view: DataView, record: Uint8Array, extraSize: number, seed: number, place: Place): void {
  const hasHigh = extraSize >= CHECKSUM_HIGH + 2 - INODE_CORE_SIZE;
  let computed = crc32c(seed, record, 0, CHECKSUM_LOW);
  computed = crc32c(computed, zero, 0, 2);
  computed = crc32c(computed, record, CHECKSUM_LOW + 2, hasHigh ? CHECKSUM_HIGH : record.length);
  if (hasHigh) {
    computed = crc32c(computed, zero, 0, 2);
    computed = crc32c(computed, record, CHECKSUM_HIGH + 2);
  } else {
    computed &= 0xffff;
  }
  const stored = view.getUint16(CHECKSUM_LOW, true) + (hasHigh ? view.getUint16(CHECKSUM_HIGH, true) * 2 ** 16 : 0);
  if (stored !== computed) throw badChecksum(place, stored, computed);
}

function refuseForeignFlags(flags: number, place: Place): void {
  for (const name of ['compressedBlocks', 'encrypt', 'casefold'] as const) {
    if (inodeFlags.has(flags, name)) {
      throw unsupported(name, `${place.record} uses it`, 'Copy the files to a file system without it and build from those.');
    }
  }
}

function isDevice(kind: NodeKind): boolean {
  return kind === 'character-device' || kind === 'block-device';
}

/** The first i_block word holds the 16-bit form; when zero, the second holds the 32-bit form (kernel: new_decode_dev). */
function decodeDevice(view: DataView): { major: number; minor: number } {
  const old = view.getUint32(BLOCK_AREA, true);
  if (old !== 0) return { major: old >>> 8 & 0xff, minor: old & 0xff };
  const wide = view.getUint32(BLOCK_AREA + 4, true);
  return { major: wide >>> 8 & 0xfff, minor: (wide & 0xff) | (wide >>> 12 & 0xfff00) };
}

/** A signed 32-bit second, and an extra word when the record has it: two more bits of seconds, thirty of nanoseconds. */
function readTime(view: DataView, at: number, extraSize: number, extraAt: number, place: Place, field: string): Timestamp {
  const seconds = view.getInt32(at, true);
  if (extraSize < extraAt + 4 - INODE_CORE_SIZE) return { seconds, nanoseconds: 0 };
  const extra = view.getUint32(extraAt, true);
  const nanoseconds = extra >>> 2;
  if (nanoseconds > 999_999_999) throw badField(place, field, `has ${nanoseconds} nanoseconds`);
  return { seconds: seconds + (extra & 3) * 2 ** 32, nanoseconds };
}

function readSectors(volume: Volume, view: DataView, flags: number): number {
  const low = view.getUint32(0x1c, true); // i_blocks_lo
  if (!volume.hasHugeFiles) return low;
  const blocks = low + view.getUint16(0x74, true) * 2 ** 32; // l_i_blocks_high
  return !inodeFlags.has(flags, 'hugeFile') ? blocks : blocks * (volume.blockSize / 512);
}

function mappingOf(volume: Volume, kind: NodeKind, flags: number, size: number, place: Place): Mapping {
  if (kind !== 'file' && kind !== 'directory' && kind !== 'symlink') return 'none';
  if (inodeFlags.has(flags, 'inlineData')) {
    if (!volume.hasInlineData) throw badField(place, 'flags', 'say inline data, which the superblock does not know');
    return 'inline';
  }
  if (inodeFlags.has(flags, 'extents')) {
    if (!volume.hasExtents) throw badField(place, 'flags', 'say extents, which the superblock does not know');
    return 'extents';
  }
  return kind === 'symlink' && size < INODE_BLOCK_SIZE ? 'none' : 'indirect';
}
