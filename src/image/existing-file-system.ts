/** A file system that exists as it is, in a file or on a block device: what `ext4:PATH` names. */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { readUpTo } from '../sys/descriptor.js';

/** @returns the path in `ext4:PATH`, undefined for what names something else */
export function namedFileSystem(spec: string): string | undefined {
  return /^ext4:(.*)$/s.exec(spec)?.[1];
}

/** Its bytes, checked by nobody. */
export class ExistingFileSystem implements RandomAccess, Disposable {
  /** Of a device Infinity: it ends where nothing can be read any more. */
  readonly size: number;

  private constructor(readonly path: string, readonly fd: number, readonly stat: Stats) {
    this.size = stat.isFile() ? stat.size : Infinity;
  }

  /** @throws PATH_MISSING, NOT_PERMITTED; BAD_ARGUMENT for what is neither file nor block device */
  static open(path: string): ExistingFileSystem {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO is not to be waited for
    } catch (error) {
      throw fromErrno(error, `opening ${path}`);
    }
    const stat = fstatSync(fd);
    if (stat.isFile() || stat.isBlockDevice()) return new ExistingFileSystem(path, fd, stat);
    closeSync(fd);
    throw new ThawfsError('BAD_ARGUMENT', `${path}: neither a file nor a block device`, { detail: { path }, suggestion: 'Name the file or device that holds the file system.' });
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    const done = readUpTo(this.fd, bytes, offset, this.path);
    if (done === length) return bytes;
    throw new ThawfsError('TRUNCATED', `${this.path}: has ${offset + done} bytes, bytes ${offset}-${offset + length - 1} were wanted`, { detail: { path: this.path, offset, length } });
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
