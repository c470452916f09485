/** The raw images of a cache, each under its root hash in a folder of theirs, with a seal beside it. */
import { existsSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs';
import { fromBytes } from '../bytes/byte-string.js';
import { backingFile, loopDevices } from '../sys/loop-files.js';

export interface RawImage {
  readonly rootHash: string;
  readonly path: string;
  /** Bytes of disk space. */
  readonly space: number;
  /** When somebody wanted to mount it last; the seal bears that time. */
  readonly usedMs: number;
}

/** Milliseconds for which a raw image counts as used: who is just mounting it has no loop device yet. */
const MOUNTING_TIME = 60_000;

export function rawFolderOf(cache: string): string {
  return `${cache}/raw`;
}

export function sealOf(rawImage: string): string {
  return `${rawImage}.seal`;
}

/** @returns those that are there, sound or not, by root hash */
export function rawImagesIn(cache: string): RawImage[] {
  const folder = rawFolderOf(cache);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)).sort().flatMap((rootHash) => {
    const path = `${folder}/${rootHash}`;
    const image = statSync(path, { throwIfNoEntry: false });
    const seal = statSync(sealOf(path), { throwIfNoEntry: false });
    return image === undefined ? [] : [{ rootHash, path, space: image.blocks * 512, usedMs: (seal ?? image).mtimeMs }];
  });
}

/** @returns those over which there is no loop device, in whatever mount namespace */
export function unmountedRawImages(cache: string): RawImage[] {
  const images = rawImagesIn(cache);
  if (images.length === 0) return [];
  const folder = fromBytes(realpathSync(rawFolderOf(cache), 'buffer')); // as the kernel tells what is under a device
  const used = new Set(loopDevices().map(backingFile));
  return images.filter(({ rootHash }) => !used.has(`${folder}/${rootHash}`));
}

/** @returns those that may go when room is wanted, the ones unused for longest first */
export function idleRawImages(cache: string): RawImage[] {
  const latest = Date.now() - MOUNTING_TIME;
  return unmountedRawImages(cache).filter(({ usedMs }) => usedMs < latest).sort((a, b) => a.usedMs - b.usedMs);
}

/** With its seal. */
export function removeRawImage(path: string): void {
  rmSync(sealOf(path), { force: true });
  rmSync(path, { force: true });
}
