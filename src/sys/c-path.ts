/** Paths for system calls: bytes that end in NUL. */
import { fromBytes, toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';

/** Bytes with a NUL after the last one that counts; what follows the NUL is ignored. */
export type CPath = Uint8Array;

/** @returns a copy of `path` for one system call. The caller makes sure that it contains no NUL. */
export function cPath(path: ByteString): CPath {
  return toBytes(`${path}\0`);
}

/** @returns the path without its NUL, for messages. */
export function fromCPath(path: CPath): ByteString {
  return fromBytes(path.subarray(0, path.indexOf(0)));
}

/** The paths of one directory's entries in one buffer that is written over, so that a scan of many files copies only names. */
export class EntryPath {
  #bytes = Buffer.alloc(4096 + 256);
  #nameStart = 0;

  /** @param directory path without a trailing slash; the root directory is the empty string */
  enter(directory: ByteString): void {
    const needed = directory.length + 1 + 256;
    if (needed > this.#bytes.length) this.#bytes = Buffer.alloc(2 * needed);
    this.#nameStart = this.#bytes.write(`${directory}/`, 'latin1');
  }

  /** @returns the path of `name` in the directory entered last; valid until the next call. A name has at most 255 bytes. */
  of(name: ByteString): CPath {
    const end = this.#nameStart + this.#bytes.write(name, this.#nameStart, 'latin1');
    this.#bytes[end] = 0;
    return this.#bytes;
  }
}
