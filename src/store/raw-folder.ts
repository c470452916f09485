/** The raw images of a cache, each under its root hash in a folder of theirs. */
import { existsSync, readdirSync, statSync } from 'node:fs';

export interface RawImage {
  readonly rootHash: string;
  readonly path: string;
  /** Bytes of disk space. */
  readonly space: number;
}

export function rawFolderOf(cache: string): string {
  return `${cache}/raw`;
}

/** @returns those that are there, sound or not, by root hash */
export function rawImagesIn(cache: string): RawImage[] {
  const folder = rawFolderOf(cache);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name)).sort().map((rootHash) => {
    const path = `${folder}/${rootHash}`;
    return { rootHash, path, space: statSync(path).blocks * 512 };
  });
}
