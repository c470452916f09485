/** Reads ranges of host files, and sees that the files are still those that were scanned. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { display, toBytes } from '../bytes/byte-string.js';
import { fromErrno, ThawfsError } from '../errors.js';
import type { HostFile } from '../model/content.js';

/** Keeps the last file open: consecutive ranges mostly come from one. */
export class HostReader {
  private current: { readonly file: HostFile; readonly fd: number } | undefined;

  /**
   * Fills `target` from the file. The file is compared with what was seen when the next one is opened, or in {@link HostReader.settle}:
   * after its bytes were read, so that a write between looking and reading does not go unnoticed.
   *
   * @throws SOURCE_CHANGED, NOT_PERMITTED, IO_FAILED
   */
  read(file: HostFile, offset: number, target: Uint8Array): void {
    const fd = this.open(file);
    for (let done = 0; done < target.length;) {
      const count = attempt(file, () => readSync(fd, target, done, target.length - done, offset + done));
      if (count === 0) throw changed(file, 'became shorter');
      done += count;
    }
  }

  /** Compares the open file with what was seen; it stays open. */
  settle(): void {
    if (this.current?.file.seen === undefined) return;
    const { file, fd } = this.current;
    const now = attempt(file, () => fstatSync(fd));
    if (now.size !== file.seen!.size || now.mtimeMs !== file.seen!.mtimeMs) throw changed(file, 'was written to');
  }

  close(): void {
    if (this.current !== undefined) closeSync(this.current.fd);
    this.current = undefined;
  }

  private open(file: HostFile): number {
    if (this.current?.file.path === file.path) return this.current.fd;
    this.settle();
    this.close();
    // Should the file have become a pipe, opening must not wait for somebody who writes to it.
    const fd = attempt(file, () => openSync(toBytes(file.path), constants.O_RDONLY | constants.O_NONBLOCK));
    this.current = { file, fd };
    return fd;
  }
}

/** A directory, a socket, a loop of symlinks or a pipe stands where the file was. */
const replacedErrnos: ReadonlySet<string> = new Set(['EISDIR', 'ENXIO', 'ELOOP', 'ESPIPE']);

function attempt<T>(file: HostFile, call: () => T): T {
  try {
    return call();
  } catch (error) {
    const typed = fromErrno(error, `reading ${display(file.path)}`);
    if (typed.code === 'PATH_MISSING') throw changed(file, 'disappeared');
    throw replacedErrnos.has(String(typed.detail['errno'])) ? changed(file, 'is no file any more') : typed;
  }
}

function changed({ path }: HostFile, what: string): ThawfsError {
  return new ThawfsError('SOURCE_CHANGED', `${display(path)} ${what} since it was scanned`, {
    detail: { path: display(path) }, suggestion: 'Build from a tree that nobody writes to, for example a snapshot or a copy.',
  });
}
