import { readFileSync } from 'node:fs';
import { fromErrno } from '../errors.js';

/** @throws PATH_MISSING, NOT_PERMITTED, IO_FAILED */
export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fromErrno(error, `reading ${path}`);
  }
}

/** @returns the file as text. @throws as {@link readBytes} */
export function readText(path: string): string {
  return readBytes(path).toString('utf8');
}
