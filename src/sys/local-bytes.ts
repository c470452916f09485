/** A file or block device of this machine, read at positions; nothing else is waited for. */
import { closeSync, constants, fstatSync, openSync, type Stats } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { readUpTo } from './descriptor.js';

export class LocalBytes implements RandomAccess, Disposable {
  /** Of a device Infinity: it ends where nothing can be read any more. */
  readonly size: number;

  private constructor(readonly path: string, readonly fd: number, readonly stat: Stats) {
    this.size = stat.isFile() ? stat.size : Infinity;
  }

  /** @throws PATH_MISSING, NOT_PERMITTED; BAD_ARGUMENT for what is neither file nor block device */
  static open(path: string): LocalBytes {
    let fd: number;
    try {
      fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // a FIFO is not to be waited for
    } catch (error) {
      throw fromErrno(error, `opening ${path}`);
    }
    const stat = fstatSync(fd);
    if (stat.isFile() || stat.isBlockDevice()) return new LocalBytes(path, fd, stat);
    closeSync(fd);
    throw new ThawfsError('BAD_ARGUMENT', `${path}: neither a file nor a block device`, { detail: { path }, suggestion: 'Name a file or a device.' });
  }

  read(offset: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    this.readInto(bytes, offset);
    return bytes;
  }

  /** Fills `target`. @throws as {@link read} */
  readInto(target: Uint8Array, offset: number): void {
    const { length } = target;
    const done = readUpTo(this.fd, target, offset, this.path);
    if (done === length) return;
    throw new ThawfsError('TRUNCATED', `${this.path}: has ${offset + done} bytes, bytes ${offset}-${offset + length - 1} were wanted`, { detail: { path: this.path, offset, length } });
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
