/** Making a folder and those above it. Node's own way (`recursive`) never returns where none can be made, as in /proc, and calls a read-only file system ENOENT. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { display, fromBytes, toBytes } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';

/**
 * @param path nothing happens when it is a folder already
 * @param mode of those that are made, before umask
 * @throws BAD_ARGUMENT where something else is; NOT_PERMITTED where the kernel makes none; the system's error
 */
export function makeFolder(path: string | Buffer, mode = 0o777): void {
  if (isMade(path, mode)) return;
  makeFolder(typeof path === 'string' ? dirname(path) : toBytes(dirname(fromBytes(path))), mode);
  if (isMade(path, mode)) return;
  const place = shown(path);
  throw new ThawfsError('NOT_PERMITTED', `${place}: no folder can be made there`, { detail: { path: place }, suggestion: 'Name a folder on a disk.' });
}

function shown(path: string | Buffer): string {
  return typeof path === 'string' ? path : display(fromBytes(path));
}

/** @returns false when the one above is missing, or the kernel says so */
function isMade(path: string | Buffer, mode: number): boolean {
  try {
    mkdirSync(path, { mode });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return false;
    if (code !== 'EEXIST') throw error;
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return true;
    throw new ThawfsError('BAD_ARGUMENT', `${shown(path)}: is not a folder`, { detail: { path: shown(path) }, cause: error, suggestion: 'Name a folder, or one that is not there yet.' });
  }
}
