/** A plain ext4 file of this machine, as what is served. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.js';
import { fromErrno, ThawfsError } from '../errors.js';
import type { FileBytes } from '../fuse/single-file.js';

/** The raw image as both back-ends read it. */
export type ImageBytes = RandomAccess & FileBytes;

/** @throws PATH_MISSING, NOT_PERMITTED */
export function openRaw(path: string): ImageBytes & { close(): void } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
  const { size } = fstatSync(fd);
  const readInto = (target: Uint8Array, offset: number): void => {
    if (offset + target.length > size || readSync(fd, target, 0, target.length, offset) !== target.length) {
      throw new ThawfsError('TRUNCATED', `${path}: has fewer than ${offset + target.length} bytes`, { detail: { path, offset, length: target.length } });
    }
  };
  return {
    size, readInto,
    read: (offset, length) => {
      const target = Buffer.allocUnsafeSlow(length);
      readInto(target, offset);
      return target;
    },
    close: () => { closeSync(fd); },
  };
}
