/** Raw images that nobody has mounted. */
import { realpathSync, rmSync } from 'node:fs';
import { fromBytes } from '../bytes/byte-string.js';
import { rawImagesIn } from '../store/raw-folder.js';
import { backingFile, loopDevices } from '../sys/loop-files.js';

/**
 * A raw image is in use while a loop device of any mount namespace stands on it.
 *
 * @param cache folder of the chunk store
 * @returns root hashes of the images that were removed
 */
export function removeUnusedRawCopies(cache: string): string[] {
  const used = new Set(loopDevices().map(backingFile));
  const unused = rawImagesIn(cache).filter(({ path }) => !used.has(fromBytes(realpathSync(path, 'buffer'))));
  for (const { path } of unused) {
    rmSync(`${path}.seal`, { force: true });
    rmSync(path);
  }
  return unused.map(({ rootHash }) => rootHash);
}
