/** Advisory locks on single bytes of a file, which need not exist (fcntl(2), open file description locks): thousands of locks in one file, dropped by the kernel when their holder dies. */
import { reserved, struct, u16le, u64le } from '../bytes/struct.js';
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno } from './system-error.js';

const fcntl = libcFunction('int fcntl(int fd, int command, void *lock)');
const F_OFD_SETLK = 37;
const F_WRLCK = 1;
const F_UNLCK = 2;

/** struct flock of a 64-bit Linux (fcntl(2)). */
const lockRecord = struct('flock', 32, [
  [0, 'type', u16le, 'l_type'], [2, 'whence', u16le, 'l_whence, 0: from the start'], [4, 'padding', reserved(4)],
  [8, 'start', u64le, 'l_start'], [16, 'length', u64le, 'l_len'], [24, 'pid', reserved(8), 'l_pid, 0 for these locks'],
]);

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
  return fcntl(fd, F_OFD_SETLK, lockRecord.encode({ type, start: BigInt(at), length: 1n })) === 0;
}
