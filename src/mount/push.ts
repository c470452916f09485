/** New files into a live mount: through its upper layer, so that they are there at once and nobody's open files change. */
import { copyFileSync, lstatSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { fromErrno, ThawfsError } from '../errors.js';

export interface PushReport {
  /** Paths in the mount, in the order given. */
  readonly pushed: readonly string[];
}

/**
 * Copies files into a mount that was made with an upper directory. Each appears under its name whole or not at all.
 *
 * @param directory where the image is mounted
 * @param files regular files of this machine
 * @param to path in the mount; a directory that exists, or, for one file, its new name
 * @throws NOT_PERMITTED when the mount has no upper directory; PATH_MISSING, NO_SPACE, BAD_ARGUMENT
 */
export function pushFiles(directory: string, files: readonly string[], to: string): PushReport {
  const target = join(directory, posix.normalize(`/${to}`));
  const intoFolder = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  if (files.length !== 1 && !intoFolder) {
    throw new ThawfsError('BAD_ARGUMENT', `--to ${to}: several files need a directory of the mount that exists`, { suggestion: 'Name a directory, or push one file.' });
  }
  const pushed = files.map((file) => {
    const path = intoFolder ? join(target, basename(file)) : target;
    copyWhole(file, path);
    return path;
  });
  return { pushed };
}

function copyWhole(file: string, path: string): void {
  const partial = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  try {
    const { atimeMs, mtimeMs } = requireFile(file);
    try {
      copyFileSync(file, partial);
      utimesSync(partial, atimeMs / 1000, mtimeMs / 1000);
      renameSync(partial, path);
    } finally {
      rmSync(partial, { force: true });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EROFS') throw fromErrno(error, `pushing ${file}`);
    throw new ThawfsError('NOT_PERMITTED', `${path}: the mount is read-only`, { cause: error, suggestion: 'Mount the image with --upper DIR.' });
  }
}

function requireFile(file: string): { readonly atimeMs: number; readonly mtimeMs: number } {
  const stat = lstatSync(file);
  if (!stat.isFile()) throw new ThawfsError('BAD_ARGUMENT', `${file}: not a regular file`, { suggestion: 'Push regular files.' });
  return stat;
}

