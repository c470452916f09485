/** flock(2): a lock between processes that ends with its holder, however that ends. */
import { getSystemErrorName } from 'node:util';
import { ThawfsError } from '../errors.js';
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { noLibc } from './system-error.js';

const LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8;
const flock = libcFunction('int flock(int fd, int operation)');

/** Runs `work` while holding the exclusive lock of an open file; waits for it. */
export function withFileLock<T>(fd: number, work: () => T): T {
  lock(fd, LOCK_EX);
  try {
    return work();
  } finally {
    lock(fd, LOCK_UN);
  }
}

/** @returns whether the lock was free; it is held until the descriptor is closed */
export function tryFileLock(fd: number): boolean {
  if (flock === undefined) throw noLibc('flock');
  return flock(fd, LOCK_EX | LOCK_NB) === 0;
}

function lock(fd: number, operation: number): void {
  if (flock === undefined) throw noLibc('flock');
  while (flock(fd, operation) !== 0) {
    const name = getSystemErrorName(-lastErrno());
    if (name !== 'EINTR') throw new ThawfsError('IO_FAILED', `flock: ${name}`, { detail: { errno: name } });
  }
}
