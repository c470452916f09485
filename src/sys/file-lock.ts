/** Advisory locks that the kernel drops when their holder dies (flock(2)), unlike lock files. */
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno, systemError } from './system-error.js';

const flock = libcFunction('int flock(int fd, int operation)');
const LOCK_EX = 2;

/**
 * Waits until no other descriptor holds the lock; closing `fd` gives it back. Blocks the thread: hold it for milliseconds, and
 * not across an await. Without a C library to call (macOS) it does nothing.
 *
 * @throws the system's error, for example ENOLCK
 */
export function lockFile(fd: number): void {
  if (flock === undefined) return;
  while (flock(fd, LOCK_EX) !== 0) {
    const number = lastErrno();
    if (number !== errno.EINTR) throw systemError(number, 'flock');
  }
}
