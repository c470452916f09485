/** Where a file has data and where holes (lseek(2), SEEK_DATA and SEEK_HOLE). */
import { fdatasyncSync } from 'node:fs';
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { errno, systemError } from './system-error.js';

const lseek = libcFunction('int64_t lseek(int fd, int64_t offset, int whence)');
const SEEK_DATA = 3;
const SEEK_HOLE = 4;

export interface ByteRange { readonly start: number; readonly end: number }

/**
 * Moves the descriptor's position: read with explicit offsets afterwards.
 *
 * @param size bytes of the file
 * @returns ranges that may hold something other than zeros, ascending, in units of the file system's blocks, cut at `size`;
 *   the whole file where the system cannot tell
 * @throws the system's error
 */
export function* dataRanges(fd: number, size: number): Generator<ByteRange> {
  writeBack(fd);
  let position = 0;
  while (position < size) {
    const start = seek(fd, position, SEEK_DATA);
    if (start === undefined || start >= size) return;
    const end = Math.min(seek(fd, start, SEEK_HOLE) ?? size, size);
    yield { start, end };
    position = end;
  }
}

/** ext4 without extents calls data that has no blocks yet a hole (Linux 6.18); once written back, it does not. */
export function writeBack(fd: number): void {
  try {
    fdatasyncSync(fd);
  } catch {
    // Nothing can be waiting to be written where writing is not possible.
  }
}

/**
 * Moves the descriptor's position. What was written to the file must have been written back ({@link writeBack}).
 *
 * @returns whether nothing but zeros can be read there: a hole, or behind the end
 * @throws the system's error
 */
export function isHole(fd: number, start: number, length: number): boolean {
  return (seek(fd, start, SEEK_DATA) ?? Infinity) >= start + length;
}

/** @returns the position, or undefined when there is nothing of that sort before the end (ENXIO). */
function seek(fd: number, offset: number, whence: number): number | undefined {
  if (lseek === undefined) return whence === SEEK_DATA ? offset : undefined;
  const position = Number(lseek(fd, offset, whence));
  if (position >= 0) return position;
  const number = lastErrno();
  if (number === errno.ENXIO) return undefined;
  if (number === errno.EINVAL) return whence === SEEK_DATA ? offset : undefined; // A file system without it.
  throw systemError(number, 'lseek');
}
