/** Making and stamping inodes, where node:fs has no call or loses nanoseconds. Symlinks are never followed. */
import { lutimesSync } from 'node:fs';
import { fromCPath } from './c-path.js';
import type { CPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, libcFunction } from './libc.js';
import { noLibc, systemError } from './system-error.js';

// By number, because glibc before 2.33 has mknod in its headers only.
const mknodatNumbers: Readonly<Record<string, number>> = { x64: 259, arm64: 33 };
const mknodat = mknodatNumbers[process.arch];
const syscall = libcFunction('long syscall(long number, int directory, const void *path, unsigned int mode, unsigned long device)');
const utimensat = libcFunction('int utimensat(int directory, const void *path, const void *times, int flags)');

/** @returns the device number as the kernel takes it: 32 bits of minor around 12 bits of major, then the rest of major. */
function deviceNumber(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (low & 0xffn) | (high & 0xfffn) << 8n | (low & ~0xffn) << 12n | (high & ~0xfffn) << 32n;
}

/**
 * Makes a device, fifo or socket (mknod(2)); fifos and sockets need no privilege.
 *
 * @param mode type and permission bits; the umask applies
 * @throws the system's error (EPERM, EEXIST ...); TOOL_MISSING without a C library
 */
export function makeNode(path: CPath, mode: number, major = 0, minor = 0): void {
  if (syscall === undefined || mknodat === undefined) throw noLibc('mknod');
  const result = syscall(mknodat, AT_FDCWD, path, mode, deviceNumber(major, minor));
  if (Number(result) !== 0) throw systemError(lastErrno(), 'mknod', fromCPath(path));
}

const times = Buffer.alloc(32); // two struct timespec: access, modification

/**
 * Sets modification and access time of `path` itself (utimensat(2)). Without a C library: to the microsecond.
 *
 * @param seconds since 1970, negative before
 * @param nanoseconds 0..999,999,999
 * @throws the system's error
 */
export function setModificationTime(path: CPath, seconds: number, nanoseconds: number): void {
  if (utimensat === undefined) {
    const time = seconds + nanoseconds / 1e9;
    lutimesSync(Buffer.from(path.subarray(0, path.indexOf(0))), time, time);
    return;
  }
  for (const at of [0, 16]) {
    times.writeBigInt64LE(BigInt(seconds), at);
    times.writeBigInt64LE(BigInt(nanoseconds), at + 8);
  }
  if (utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) !== 0) throw systemError(lastErrno(), 'utimensat', fromCPath(path));
}
