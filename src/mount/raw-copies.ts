/** Raw images that nobody has mounted. */
import { existsSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { rawFolderOf } from '../store/raw-folder.js';
import { backingFile, loopDevices } from '../sys/loop-files.js';

/**
 * A raw image is in use while a loop device of any mount namespace stands on it.
 *
 * @param cache folder of the chunk store
 * @returns root hashes of the images that were removed
 */
export function removeUnusedRawCopies(cache: string): string[] {
  const folder = rawFolderOf(cache);
  if (!existsSync(folder)) return [];
  const used = new Set(loopDevices().map(backingFile));
  const unused = readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name) && !used.has(realpathSync(`${folder}/${name}`))).sort();
  for (const name of unused) {
    rmSync(`${folder}/${name}.seal`, { force: true });
    rmSync(`${folder}/${name}`);
  }
  return unused;
}
