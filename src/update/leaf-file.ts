/** Leaves of a large image on disk, in a file without a name: the kernel removes it when this process ends, however it ends. */
import { closeSync, constants, openSync, rmSync } from 'node:fs';
import { fromErrno, ThawfsError } from '../errors.js';
import type { LeafOverflow } from '../verity/leaf-store.js';
import { readUpTo, writeAt } from '../sys/descriptor.js';

export class LeafFile implements LeafOverflow {
  size = 0;
  private fd: number | undefined;
  private memory = new Uint8Array(0);

  /** @param place path of a file that may be made, beside the output; it has the name for a moment, when the first leaves come */
  constructor(private readonly place: string) {}

  append(bytes: Uint8Array): void {
    this.fd ??= this.create();
    writeAt(this.fd, bytes, this.size, this.place);
    this.size += bytes.length;
  }

  /** @returns a view of memory that the next call uses again */
  read(offset: number, length: number): Uint8Array {
    if (this.memory.length < length) this.memory = Buffer.allocUnsafeSlow(length);
    const bytes = this.memory.subarray(0, length);
    if (this.fd !== undefined && readUpTo(this.fd, bytes, offset, this.place) === length) return bytes;
    throw new ThawfsError('IO_FAILED', `${this.place}: ends before byte ${offset + length}`);
  }

  close(): void {
    if (this.fd !== undefined) closeSync(this.fd);
    this.fd = undefined;
  }

  private create(): number {
    try {
      const fd = openSync(this.place, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
      rmSync(this.place);
      return fd;
    } catch (error) {
      throw fromErrno(error, `creating ${this.place}`);
    }
  }
}
