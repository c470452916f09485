/** How much a file system would still take. */
import { statfsSync } from 'node:fs';

/** @returns bytes that are free for users of the file system under `folder`. @throws the system's error */
export function freeSpace(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}
