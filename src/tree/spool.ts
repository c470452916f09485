/**
 * A temporary file for contents that exist only while a stream passes by. It has no name: nothing is left behind however the
 * process ends, and it is read through this process's descriptor.
 */
import { closeSync, openSync, rmSync, unlinkSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromText } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { HostFile } from '../model/content.js';
import { writeFully } from '../sys/write.js';
import { MiB } from '../units.js';

export class Spool {
  #fd: number | undefined;
  #file: HostFile | undefined;
  /** Removes the file where it had to keep its name. */
  #unlink: (() => void) | undefined;
  readonly #buffer = Buffer.allocUnsafeSlow(MiB);
  #buffered = 0;
  #written = 0;

  /** @param directory default `TMPDIR`, else /tmp */
  constructor(private readonly directory = tmpdir()) {}

  /** What pieces refer to. Valid until {@link dispose}, in this process and its threads. */
  get file(): HostFile {
    this.#open();
    return this.#file!;
  }

  /**
   * @param bytes copied
   * @returns their position in the file
   * @throws NO_SPACE, IO_FAILED naming the directory
   */
  append(bytes: Uint8Array): number {
    const position = this.#written + this.#buffered;
    if (this.#buffered + bytes.length > this.#buffer.length) this.flush();
    if (bytes.length > this.#buffer.length) {
      this.#write(bytes);
    } else {
      this.#buffer.set(bytes, this.#buffered);
      this.#buffered += bytes.length;
    }
    return position;
  }

  /** Must come before anybody reads. */
  flush(): void {
    this.#write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  /** Gives the room back. May be called more than once. */
  dispose(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#unlink?.();
    this.#fd = undefined;
    this.#unlink = undefined;
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const path = join(this.directory, `thawfs-spool-${randomUUID()}`);
    try {
      this.#fd = openSync(path, 'wx+', 0o600);
    } catch (error) {
      throw fromErrno(error, `making a temporary file in ${this.directory}`);
    }
    if (process.platform === 'linux') {
      unlinkSync(path);
      this.#file = { kind: 'host-file', path: `/proc/self/fd/${this.#fd}` };
    } else {
      const unlink = (): void => rmSync(path, { force: true });
      process.once('exit', unlink);
      this.#unlink = () => { process.off('exit', unlink); unlink(); };
      this.#file = { kind: 'host-file', path: fromText(path) };
    }
    return this.#fd;
  }

  #write(bytes: Uint8Array): void {
    try {
      writeFully(this.#open(), bytes, this.#written);
    } catch (error) {
      const typed = fromErrno(error, `writing a temporary file in ${this.directory}`);
      throw new ThawfsError(typed.code, typed.message, { detail: typed.detail, cause: error, suggestion: 'Set TMPDIR to a directory with room for the unpacked archive.' });
    }
    this.#written += bytes.length;
  }
}
