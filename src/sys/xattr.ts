/** Extended attributes of a path itself, never of what a symlink points to (xattr(7)). Linux only. */
import { statfsSync } from 'node:fs';
import { toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { cPath, fromCPath } from './c-path.js';
import type { CPath } from './c-path.js';
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno, noLibc, systemError } from './system-error.js';

const llistxattr = libcFunction('intptr_t llistxattr(const void *path, void *list, size_t size)');
const lgetxattr = libcFunction('intptr_t lgetxattr(const void *path, const void *name, void *value, size_t size)');
const lsetxattr = libcFunction('int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)');

/** Whether this system lets us see extended attributes at all. */
export const xattrsAvailable = llistxattr !== undefined;

// XATTR_LIST_MAX and XATTR_SIZE_MAX of linux/limits.h: the kernel never gives more, so there is no size to ask for first.
const buffer = Buffer.alloc(65536);
const none: readonly ByteString[] = [];

/**
 * One system call when there are none, the usual case.
 *
 * @returns the names in the order the file system has them; empty where the file system has no such thing
 * @throws the system's error
 */
export function listXattrs(path: CPath): readonly ByteString[] {
  if (llistxattr === undefined) return none;
  const length = llistxattr(path, buffer, buffer.length) as number;
  if (length === 0) return none;
  if (length < 0) {
    const number = lastErrno();
    if (number === errno.EOPNOTSUPP) return none;
    throw systemError(number, 'llistxattr', fromCPath(path));
  }
  return buffer.toString('latin1', 0, length - 1).split('\0');
}

/**
 * @returns a copy of the value, which the caller owns; undefined when there is no such attribute, or none that we may read
 * @throws the system's error
 */
export function getXattr(path: CPath, name: ByteString): Uint8Array | undefined {
  if (lgetxattr === undefined) return undefined;
  const length = lgetxattr(path, cPath(name), buffer, buffer.length) as number;
  if (length >= 0) return new Uint8Array(buffer.subarray(0, length));
  const number = lastErrno();
  if (number === errno.ENODATA || number === errno.EOPNOTSUPP) return undefined;
  throw systemError(number, `lgetxattr ${name} of`, fromCPath(path));
}

/** @throws the system's error, for example EPERM, ENOTSUP, ENOSPC; E2BIG where a file system with room answers ENOSPC, as ext4 does beyond its one block a file */
export function setXattr(path: CPath, name: ByteString, value: Uint8Array): void {
  if (lsetxattr === undefined) throw noLibc('lsetxattr');
  if (lsetxattr(path, cPath(name), value, value.length, 0) === 0) return;
  const number = lastErrno();
  throw systemError(number === errno.ENOSPC && hasRoom(path) ? errno.E2BIG : number, `lsetxattr ${name} of`, fromCPath(path));
}

function hasRoom(path: CPath): boolean {
  return statfsSync(toBytes(fromCPath(path))).bavail > 0;
}
