/**
 * lstat for scans: nanoseconds, exact inode numbers and no allocation. About 1 us; node:fs takes twice that and BigInts.
 * Uses statx(2), whose record is the same on every architecture; falls back to node:fs where it is absent.
 */
import { lstatSync } from 'node:fs';
import { struct, reserved, i64le, u16le, u32le, u64le } from '../bytes/struct.js';
import { fromCPath } from './c-path.js';
import type { CPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, libcFunction } from './libc.js';
import { systemError } from './system-error.js';

/** `struct statx` of linux/stat.h up to the last field used; the kernel writes 256 bytes. */
export const statxRecord = struct('statx', 256, [
  [0, 'mask', u32le, 'stx_mask'],
  [4, 'blockSize', u32le, 'stx_blksize'],
  [8, 'attributes', u64le, 'stx_attributes'],
  [16, 'linkCount', u32le, 'stx_nlink'],
  [20, 'uid', u32le, 'stx_uid'],
  [24, 'gid', u32le, 'stx_gid'],
  [28, 'mode', u16le, 'stx_mode'],
  [30, 'pad', reserved(2)],
  [32, 'inode', u64le, 'stx_ino'],
  [40, 'size', u64le, 'stx_size'],
  [48, 'sectors', u64le, 'stx_blocks, 512 bytes each'],
  [56, 'attributesMask', u64le, 'stx_attributes_mask'],
  [64, 'otherTimes', reserved(48), 'stx_atime, stx_btime, stx_ctime'],
  [112, 'mtimeSeconds', i64le, 'stx_mtime.tv_sec'],
  [120, 'mtimeNanoseconds', u32le, 'stx_mtime.tv_nsec'],
  [124, 'pad2', reserved(4)],
  [128, 'deviceMajor', u32le, 'stx_rdev_major'],
  [132, 'deviceMinor', u32le, 'stx_rdev_minor'],
  [136, 'fileSystemMajor', u32le, 'stx_dev_major'],
  [140, 'fileSystemMinor', u32le, 'stx_dev_minor'],
  [144, 'rest', reserved(112)],
]);

/** What lstat says about one path; one object is refilled by every call. */
export interface Inode {
  /** Type and permission bits. */
  mode: number;
  linkCount: number;
  uid: number;
  gid: number;
  /** Bytes. */
  size: number;
  /** 512-byte units that the file system has allocated. */
  sectors: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  /** Of a device node. */
  deviceMajor: number;
  deviceMinor: number;
  /** Inode number in two halves: overlayfs uses all 64 bits. */
  inodeHigh: number;
  inodeLow: number;
  fileSystemMajor: number;
  fileSystemMinor: number;
}

/** @returns an empty record to hand to {@link lstatInto}. */
export function newInode(): Inode {
  return {
    mode: 0, linkCount: 0, uid: 0, gid: 0, size: 0, sectors: 0, mtimeSeconds: 0, mtimeNanoseconds: 0,
    deviceMajor: 0, deviceMinor: 0, inodeHigh: 0, inodeLow: 0, fileSystemMajor: 0, fileSystemMinor: 0,
  };
}

const statx = libcFunction('int statx(int directory, const void *path, int flags, unsigned int mask, void *buffer)');
const buffer = Buffer.alloc(statxRecord.size);
const words = new Uint32Array(buffer.buffer, buffer.byteOffset, statxRecord.size / 4);
const BASIC_STATS = 0x7ff;

// Word index of each field. The table above is little-endian, and so is every platform that Node runs on with this record.
const at = (field: Parameters<typeof statxRecord.offsetOf>[0]): number => statxRecord.offsetOf(field) / 4;
const [LINKS, UID, GID, MODE, INODE, SIZE, SECTORS, SECONDS, NANOSECONDS, MAJOR, MINOR, FS_MAJOR, FS_MINOR] = [
  at('linkCount'), at('uid'), at('gid'), at('mode'), at('inode'), at('size'), at('sectors'), at('mtimeSeconds'), at('mtimeNanoseconds'),
  at('deviceMajor'), at('deviceMinor'), at('fileSystemMajor'), at('fileSystemMinor'),
] as const;
const HIGH = 2 ** 32;

/**
 * Fills `inode` from `path`, without following a symlink.
 *
 * @throws the system's error, as node:fs does
 */
export function lstatInto(path: CPath, inode: Inode): void {
  if (statx === undefined) return fallback(path, inode);
  if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, BASIC_STATS, buffer) !== 0) throw systemError(lastErrno(), 'lstat', fromCPath(path));
  inode.mode = words[MODE]! & 0xffff;
  inode.linkCount = words[LINKS]!;
  inode.uid = words[UID]!;
  inode.gid = words[GID]!;
  inode.size = words[SIZE]! + words[SIZE + 1]! * HIGH;
  inode.sectors = words[SECTORS]! + words[SECTORS + 1]! * HIGH;
  inode.mtimeSeconds = words[SECONDS]! + (words[SECONDS + 1]! | 0) * HIGH;
  inode.mtimeNanoseconds = words[NANOSECONDS]!;
  inode.deviceMajor = words[MAJOR]!;
  inode.deviceMinor = words[MINOR]!;
  inode.inodeLow = words[INODE]!;
  inode.inodeHigh = words[INODE + 1]!;
  inode.fileSystemMajor = words[FS_MAJOR]!;
  inode.fileSystemMinor = words[FS_MINOR]!;
}

/** The same from node:fs. Device numbers of macOS: 8 bits major, 24 bits minor. */
export function fallback(path: CPath, inode: Inode): void {
  const stats = lstatSync(Buffer.from(path.subarray(0, path.indexOf(0))), { bigint: true });
  const seconds = stats.mtimeNs >= 0n ? stats.mtimeNs / 1_000_000_000n : (stats.mtimeNs - 999_999_999n) / 1_000_000_000n;
  inode.mode = Number(stats.mode);
  inode.linkCount = Number(stats.nlink);
  inode.uid = Number(stats.uid);
  inode.gid = Number(stats.gid);
  inode.size = Number(stats.size);
  inode.sectors = Number(stats.blocks);
  inode.mtimeSeconds = Number(seconds);
  inode.mtimeNanoseconds = Number(stats.mtimeNs - seconds * 1_000_000_000n);
  const [major, minor] = process.platform === 'darwin'
    ? [stats.rdev >> 24n & 0xffn, stats.rdev & 0xffffffn]
    : [stats.rdev >> 8n & 0xfffn | stats.rdev >> 32n & ~0xfffn, stats.rdev & 0xffn | stats.rdev >> 12n & ~0xffn];
  inode.deviceMajor = Number(major);
  inode.deviceMinor = Number(minor & 0xffffffffn);
  inode.inodeLow = Number(stats.ino & 0xffffffffn);
  inode.inodeHigh = Number(stats.ino >> 32n & 0xffffffffn);
  inode.fileSystemMajor = Number(stats.dev >> 32n);
  inode.fileSystemMinor = Number(stats.dev & 0xffffffffn);
}
