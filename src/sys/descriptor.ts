/** Reading and writing at positions of an open file or device until all is done; failures have their codes. */
import { readSync } from 'node:fs';
import { fromErrno } from '../errors.js';
import { writeFully } from './write.js';

/**
 * @param name of the file, for messages
 * @returns bytes read into `target`: fewer than it holds only at the end of the file
 * @throws IO_FAILED
 */
export function readUpTo(fd: number, target: Uint8Array, position: number, name: string): number {
  let done = 0;
  try {
    for (let count = 1; done < target.length && count > 0; done += count) count = readSync(fd, target, done, target.length - done, position + done);
  } catch (error) {
    throw fromErrno(error, `reading ${name}`);
  }
  return done;
}

/** @param name of the file, for messages. @throws NO_SPACE, IO_FAILED */
export function writeAt(fd: number, bytes: Uint8Array, position: number, name: string): void {
  try {
    writeFully(fd, bytes, position);
  } catch (error) {
    throw fromErrno(error, `writing ${name}`);
  }
}
