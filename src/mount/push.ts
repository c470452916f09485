/** New files into a live mount: through its upper layer, so that they are there at once and nobody's open files change. */
import { copyFileSync, lstatSync, readlinkSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fromErrno, ThawfsError } from '../errors.js';
import { findOwnMount } from './own-mount.js';
import { defaultRuntimeFolder } from './runtime-folder.js';

/** As the kernel's. */
const SYMLINKS_AT_MOST = 40;

export interface PushReport {
  /** Paths in the mount, in the order given. */
  readonly pushed: readonly string[];
}

/**
 * Copies files into a mount that was made with an upper directory. Each appears under its name whole or not at all.
 *
 * @param directory where the image is mounted
 * @param files regular files of this machine
 * @param to path in the mount; a directory that exists, or, for one file, its new name. Symlinks on the way lead to places in the mount, whatever is there outside
 * @throws NOT_MOUNTED; NOT_PERMITTED when the mount has no upper directory; PATH_MISSING, NO_SPACE, BAD_ARGUMENT, LIMIT_EXCEEDED for symlinks without end
 */
export async function pushFiles(directory: string, files: readonly string[], to: string, runtimeFolder = defaultRuntimeFolder()): Promise<PushReport> {
  await findOwnMount(directory, runtimeFolder);
  const target = placeInside(directory, to);
  const intoFolder = statSync(target, { throwIfNoEntry: false })?.isDirectory() === true;
  if (files.length !== 1 && !intoFolder) {
    throw new ThawfsError('BAD_ARGUMENT', `--to ${to}: several files need a directory of the mount that exists`, { suggestion: 'Name a directory, or push one file.' });
  }
  const pushed = files.map((file) => {
    // A symlink in the last place is replaced, as any file is.
    const path = intoFolder ? join(target, basename(file)) : join(placeInside(directory, dirname(`/${to}`)), basename(to));
    copyWhole(file, path);
    return path;
  });
  return { pushed };
}

/** Where a path leads for somebody whose root directory is `root`. */
function placeInside(root: string, path: string): string {
  const ahead = path.split('/');
  const place: string[] = [];
  for (let links = 0; ahead.length > 0;) {
    const name = ahead.shift()!;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      place.pop();
      continue;
    }
    const here = join(root, ...place, name);
    if (lstatSync(here, { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      place.push(name);
      continue;
    }
    if (++links > SYMLINKS_AT_MOST) throw new ThawfsError('LIMIT_EXCEEDED', `--to ${path}: leads through more than ${SYMLINKS_AT_MOST} symlinks`, { suggestion: 'Name a place without symlinks.' });
    const target = readlinkSync(here);
    if (target.startsWith('/')) place.length = 0;
    ahead.unshift(...target.split('/'));
  }
  return join(root, ...place);
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

