/** Advisory locks on single bytes of a file, which need not exist (fcntl(2), open file description locks): thousands of locks in one file, dropped by the kernel when their holder dies. */
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno } from './system-error.js';

const fcntl = libcFunction('int fcntl(int fd, int command, void *lock)');
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of 64-bit Linux: l_type at 0, l_whence at 2, l_start at 8, l_len at 16, l_pid at 24. */
const description = Buffer.alloc(32);
description.writeBigInt64LE(1n, 16);

/**
 * @param at at most 2^53 - 1
 * @returns false when another descriptor has that byte locked; true too where there are no such locks (macOS, some network file systems)
 */
export function tryByteLock(fd: number, at: number): boolean {
  return set(fd, at, F_WRLCK) || (lastErrno() !== errno.EAGAIN && lastErrno() !== errno.EACCES);
}

export function unlockByte(fd: number, at: number): void {
  set(fd, at, F_UNLCK);
}

function set(fd: number, at: number, type: number): boolean {
  if (fcntl === undefined || process.platform !== 'linux') return true;
  description.writeInt16LE(type, 0);
  description.writeBigInt64LE(BigInt(at), 8);
  return fcntl(fd, F_OFD_SETLK, description) === 0;
}
