/** Where a process prints. */
import { closeSync, openSync } from 'node:fs';
import { lastErrno } from './ffi.js';
import { libcFunction } from './libc.js';
import { noLibc, systemError } from './system-error.js';

const dup2 = libcFunction('int dup2(int from, int to)');

/**
 * Appends what this process, and what it starts from now on, prints to a file (dup2(2)).
 *
 * @param path made when it is not there, for its owner only
 * @throws what opening throws, as node:fs does; TOOL_MISSING without a C library
 */
export function redirectOutput(path: string): void {
  if (dup2 === undefined) throw noLibc('dup2');
  const file = openSync(path, 'a', 0o600);
  try {
    for (const descriptor of [1, 2]) if (Number(dup2(file, descriptor)) < 0) throw systemError(lastErrno(), 'dup2', path);
  } finally {
    closeSync(file);
  }
}
