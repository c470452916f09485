/**
 * A file that is written over several runs: `.NAME.pull`, `.NAME.patch` beside its final place, which stays when a run ends early, and is renamed when
 * it is whole. No journal: what it holds is checked against digests, whoever wrote it and however it ended. Two runs never write one.
 */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromErrno, ThawfsError } from '../errors.js';
import { demandReplaceable } from '../image/output-file.js';
import { tryFileLock } from '../sys/file-lock.js';
import { readUpTo, writeAt } from '../sys/descriptor.js';

export class ResumableFile {
  private open = true;

  private constructor(readonly path: string, readonly temporaryPath: string, readonly fd: number) {}

  /**
   * @param path final name; an existing regular file is replaced on {@link commit}
   * @param suffix of the file until then
   * @throws BAD_ARGUMENT when `path` is no regular file; OUTPUT_BUSY when another run writes it; PATH_MISSING, NOT_PERMITTED, NO_SPACE
   */
  static open(path: string, suffix = 'pull'): ResumableFile {
    demandReplaceable(path);
    return ResumableFile.openAt(path, ResumableFile.temporaryPathOf(path, suffix));
  }

  /** As {@link ResumableFile.open}, with a temporary path of the caller's. */
  static openAt(path: string, temporaryPath: string): ResumableFile {
    for (;;) {
      let fd: number;
      try {
        fd = openSync(temporaryPath, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
      } catch (error) {
        throw fromErrno(error, `creating ${temporaryPath}`);
      }
      if (!tryFileLock(fd)) {
        closeSync(fd);
        throw busy(path);
      }
      if (isStill(fd, temporaryPath)) return new ResumableFile(path, temporaryPath, fd);
      closeSync(fd); // between opening and locking another run has given it its final name, or removed it
    }
  }

  /** Removes what an earlier run left under this temporary path. @throws OUTPUT_BUSY when that run goes on */
  static remove(path: string, temporaryPath: string): void {
    ResumableFile.openAt(path, temporaryPath).discard();
  }

  static temporaryPathOf(path: string, suffix = 'pull'): string {
    return join(dirname(path), `.${basename(path)}.${suffix}`);
  }

  /** @returns `length` bytes, fewer at the end of the file; in `memory` when that is given, which must be as long */
  read(position: number, length: number, memory: Uint8Array = Buffer.allocUnsafeSlow(length)): Uint8Array {
    const bytes = memory.subarray(0, length);
    return bytes.subarray(0, readUpTo(this.fd, bytes, position, this.temporaryPath));
  }

  /** @throws NO_SPACE, IO_FAILED */
  write(bytes: Uint8Array, position: number): void {
    writeAt(this.fd, bytes, position, this.temporaryPath);
  }

  /** Bytes now. */
  get size(): number {
    return fstatSync(this.fd).size;
  }

  /** Makes it longer with a hole, or shorter. @throws NO_SPACE, IO_FAILED */
  resize(size: number): void {
    if (this.size === size) return; // ext4 takes an empty file that is made empty again for one that is replaced, and writes it out when it is closed
    try {
      ftruncateSync(this.fd, size);
    } catch (error) {
      throw fromErrno(error, `writing ${this.temporaryPath}`);
    }
  }

  /** Gives it its name. */
  commit(): void {
    try {
      renameSync(this.temporaryPath, this.path);
    } catch (error) {
      throw fromErrno(error, `writing ${this.path}`);
    }
    this.close();
  }

  /** Ends this run; the next one goes on. */
  close(): void {
    if (!this.open) return;
    this.open = false;
    closeSync(this.fd);
  }

  /** Removes and closes it. */
  discard(): void {
    if (!this.open) return;
    rmSync(this.temporaryPath, { force: true });
    this.close();
  }
}

function isStill(fd: number, path: string): boolean {
  const [opened, named] = [fstatSync(fd), statSync(path, { throwIfNoEntry: false })];
  return opened.ino === named?.ino && opened.dev === named.dev;
}

export function busy(path: string): ThawfsError {
  return new ThawfsError('OUTPUT_BUSY', `${path}: another run is writing it`, { detail: { path }, suggestion: 'Wait for that run to end.' });
}
