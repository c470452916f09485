/** Advisory locks that the kernel drops when their holder dies (flock(2)), unlike lock files. */
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno, systemError } from './system-error.js';

const flock = libcFunction('int flock(int fd, int operation)');
const LOCK_EX = 2;
const LOCK_NB = 4;
const LOCK_UN = 8;

/**
 * Runs `body` while no other descriptor, of this process or another, has the file locked. It waits by blocking the thread, so
 * `body` is synchronous and short: a holder that awaited would be waited for by the very thread that has to go on with it.
 * Without a C library to call (macOS) nothing is locked.
 *
 * @returns what `body` returns
 * @throws the system's error, for example ENOLCK; what `body` throws
 */
export function withFileLock<T>(fd: number, body: () => T): T {
  lock(fd, LOCK_EX);
  try {
    return body();
  } finally {
    lock(fd, LOCK_UN);
  }
}

/**
 * Locks the file until its descriptor is closed, however this process ends. Without a C library to call (macOS) nothing is locked.
 *
 * @returns false when another descriptor has it locked
 * @throws the system's error, for example ENOLCK
 */
export function tryFileLock(fd: number): boolean {
  try {
    lock(fd, LOCK_EX | LOCK_NB);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return false;
    throw error;
  }
}

function lock(fd: number, operation: number): void {
  while (flock !== undefined && flock(fd, operation) !== 0) {
    const number = lastErrno();
    if (number !== errno.EINTR) throw systemError(number, 'flock');
  }
}
