/**
 * A file that is written over several runs: `.NAME.pull`, `.NAME.patch` beside its final place, which stays when a run ends early, and is renamed when
 * it is whole. No journal: what it holds is checked against digests, whoever wrote it and however it ended.
 */
import { closeSync, constants, existsSync, fstatSync, ftruncateSync, openSync, readSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromErrno, ThawfsError } from '../errors.js';
import { writeFully } from '../sys/write.js';

export class ResumableFile {
  private open = true;

  private constructor(readonly path: string, readonly temporaryPath: string, readonly fd: number) {}

  /**
   * @param path final name; an existing regular file is replaced on {@link commit}
   * @param suffix of the file until then
   * @throws BAD_ARGUMENT when `path` is no regular file; PATH_MISSING, NOT_PERMITTED, NO_SPACE
   */
  static open(path: string, suffix = 'pull'): ResumableFile {
    if (existsSync(path) && !statSync(path).isFile()) {
      throw new ThawfsError('BAD_ARGUMENT', `${path}: is not a regular file`, { detail: { path }, suggestion: 'Name a file to write.' });
    }
    return ResumableFile.openAt(path, ResumableFile.temporaryPathOf(path, suffix));
  }

  /** As {@link ResumableFile.open}, with a temporary path of the caller's. */
  static openAt(path: string, temporaryPath: string): ResumableFile {
    try {
      return new ResumableFile(path, temporaryPath, openSync(temporaryPath, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644));
    } catch (error) {
      throw fromErrno(error, `creating ${temporaryPath}`);
    }
  }

  static temporaryPathOf(path: string, suffix = 'pull'): string {
    return join(dirname(path), `.${basename(path)}.${suffix}`);
  }

  /** @returns `length` bytes, fewer at the end of the file */
  read(position: number, length: number): Uint8Array {
    const bytes = Buffer.allocUnsafeSlow(length);
    try {
      let done = 0;
      for (let count = 1; done < length && count > 0; done += count) count = readSync(this.fd, bytes, done, length - done, position + done);
      return bytes.subarray(0, done);
    } catch (error) {
      throw fromErrno(error, `reading ${this.temporaryPath}`);
    }
  }

  /** @throws NO_SPACE, IO_FAILED */
  write(bytes: Uint8Array, position: number): void {
    try {
      writeFully(this.fd, bytes, position);
    } catch (error) {
      throw fromErrno(error, `writing ${this.temporaryPath}`);
    }
  }

  /** Bytes now. */
  get size(): number {
    return fstatSync(this.fd).size;
  }

  /** Makes it longer with a hole, or shorter. @throws NO_SPACE, IO_FAILED */
  resize(size: number): void {
    try {
      ftruncateSync(this.fd, size);
    } catch (error) {
      throw fromErrno(error, `writing ${this.temporaryPath}`);
    }
  }

  /** Gives it its name. */
  commit(): void {
    this.close();
    try {
      renameSync(this.temporaryPath, this.path);
    } catch (error) {
      throw fromErrno(error, `writing ${this.path}`);
    }
  }

  /** Ends this run; the next one goes on. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.fd);
  }

  /** Closes and removes it. */
  discard(): void {
    this.close();
    rmSync(this.temporaryPath, { force: true });
  }
}
