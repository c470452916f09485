/**
 * The raw image written out in full beside the chunk store, to be attached without a server. It is verified while it is
 * written, and sealed: whoever changes it afterwards changes its ctime, and then it is not used any more.
 */
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { ifErrno, ThawfsError } from '../errors.js';
import type { DiskStore } from '../store/disk-store.js';
import { idleRawImages, rawFolderOf, removeRawImage, sealOf } from '../store/raw-folder.js';
import { freeSpace } from '../sys/free-space.js';
import { makeFolder } from '../sys/make-folder.js';
import { isRunning } from '../sys/process.js';
import { MiB } from '../units.js';
import type { LazyImage } from './lazy-image.js';
import { writeSparse } from './write-sparse.js';

/** Free space that is left alone. */
const SPARE_SPACE = 64 * MiB;

/**
 * Writes every chunk of a complete image into `CACHE/raw/ROOTHASH`, sparse.
 *
 * @returns its path
 * @throws NO_SPACE when disk or budget are too small; CHUNK_MISSING when the image is not complete after all
 */
export async function writeRawCopy(image: LazyImage, store: DiskStore, signal?: AbortSignal): Promise<string> {
  const path = rawCopyPath(store.folder, image.manifest.verity.rootHash);
  if (findRawCopy(store.folder, image.manifest.verity.rootHash) !== undefined) return path;
  makeFolder(rawFolderOf(store.folder), 0o700);
  removePartial(path);
  makeSpace(store, image.size);
  const partial = `${path}.${process.pid}.partial`;
  const fd = openSync(partial, 'w', 0o400);
  try {
    ftruncateSync(fd, image.size);
    for (let chunk = 0; chunk < image.chunkCount; chunk++) {
      signal?.throwIfAborted();
      if (image.isHole(chunk)) continue;
      const bytes = image.find(chunk);
      if (bytes === undefined) {
        await image.fetch([chunk], signal); // found damaged on disk just now
        chunk--;
        continue;
      }
      writeSparse(fd, bytes, chunk * image.chunkSize);
      await turn();
    }
    fsyncSync(fd);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw ifErrno(error, `writing ${path}`);
  } finally {
    closeSync(fd);
  }
  store.evict(store.budget); // counts the new file too
  writeFileSync(sealOf(path), stateOf(path), { mode: 0o400, flush: true });
  return path;
}

/** A use is noted. @returns the path of a raw copy that is whole and untouched; what is not is removed */
export function findRawCopy(cache: string, rootHash: string): string | undefined {
  const path = rawCopyPath(cache, rootHash);
  try {
    if (readFileSync(sealOf(path), 'latin1') === stateOf(path)) {
      noteUse(path);
      return path;
    }
  } catch {
    return undefined;
  }
  removeRawImage(path);
  return undefined;
}

function rawCopyPath(cache: string, rootHash: string): string {
  return `${rawFolderOf(cache)}/${rootHash}`;
}

function noteUse(path: string): void {
  const now = new Date();
  try {
    utimesSync(sealOf(path), now, now);
  } catch {
    // A cache that may only be read.
  }
}

/** What whoever changes the file changes too. */
function stateOf(path: string): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Raw images that nobody has mounted make way, those unused for longest first. */
function makeSpace(store: DiskStore, size: number): void {
  const fits = (): boolean => freeSpace(store.folder) >= size + SPARE_SPACE && store.budget - store.used >= size;
  for (const idle of idleRawImages(store.folder)) {
    if (fits()) return;
    removeRawImage(idle.path);
    store.evict(store.budget); // counts anew
  }
  if (fits()) return;
  throw new ThawfsError('NO_SPACE', `${store.folder}: no room for the raw image of ${size} bytes`, {
    detail: { needed: size, free: freeSpace(store.folder), budget: store.budget }, suggestion: 'Free space, or raise --cache-size.',
  });
}

/** What processes that were killed left behind. */
function removePartial(path: string): void {
  const [folder, name] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)];
  for (const other of readdirSync(folder)) {
    const pid = other.startsWith(`${name}.`) ? /\.(\d+)\.partial$/.exec(other)?.[1] : undefined;
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(`${folder}/${other}`, { force: true });
  }
}
