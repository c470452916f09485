/** A raw image on disk as the synchronous readers want it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { RandomAccess } from '../../src/bytes/random-access.js';
import { ThawfsError } from '../../src/errors.js';

/** @returns an image over bytes in memory. */
export function memoryImage(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read(offset, length) {
      if (offset < 0 || offset + length > bytes.length) throw new ThawfsError('TRUNCATED', `bytes ${offset}-${offset + length - 1} of ${bytes.length}`);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** @param body receives the file as an image; it is closed when the body ends */
export function withFileImage<T>(path: string, body: (image: RandomAccess) => T): T {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    return body({
      size,
      read(offset, length) {
        if (offset < 0 || offset + length > size) throw new ThawfsError('TRUNCATED', `bytes ${offset}-${offset + length - 1} of ${size}`);
        const bytes = Buffer.allocUnsafe(length);
        readSync(fd, bytes, 0, length, offset);
        return bytes;
      },
    });
  } finally {
    closeSync(fd);
  }
}
