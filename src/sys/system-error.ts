/** Failed system calls in the shape that node:fs gives them, so that callers treat both alike. */
import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';

/** Numbers of this system by name, `errno.ENODATA`. */
export const errno = constants.errno;

/** @returns an Error with `code`, `errno`, `syscall` and `path` as node:fs sets them. */
export function systemError(number: number, syscall: string, path?: ByteString): NodeJS.ErrnoException {
  const code = getSystemErrorName(-number);
  const place = path === undefined ? '' : ` '${display(path)}'`;
  return Object.assign(new Error(`${code}: ${syscall}${place}`), { code, errno: -number, syscall, ...(path === undefined ? {} : { path }) });
}

/** @returns what to throw where a call needs the C library and there is none. */
export function noLibc(syscall: string): ThawfsError {
  return new ThawfsError('TOOL_MISSING', `${syscall}: no C library that can be called on this system`, {
    detail: { syscall, platform: process.platform }, suggestion: 'Run this on Linux with glibc or musl.',
  });
}
