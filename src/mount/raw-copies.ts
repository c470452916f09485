/** Raw images that nobody has mounted. */
import { existsSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';

/**
 * A raw image is in use while a loop device of any mount namespace stands on it.
 *
 * @param cache folder of the chunk store
 * @returns root hashes of the images that were removed
 */
export function removeUnusedRawCopies(cache: string): string[] {
  const folder = `${cache}/raw`;
  if (!existsSync(folder)) return [];
  const used = new Set(backingFiles());
  const unused = readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name) && !used.has(realpathSync(`${folder}/${name}`))).sort();
  for (const name of unused) {
    rmSync(`${folder}/${name}.seal`, { force: true });
    rmSync(`${folder}/${name}`);
  }
  return unused;
}

/** @returns the files that loop devices stand on */
export function backingFiles(): string[] {
  if (!existsSync('/sys/block')) return [];
  return readdirSync('/sys/block').filter((name) => name.startsWith('loop')).flatMap((name) => {
    try {
      return [readFileSync(`/sys/block/${name}/loop/backing_file`, 'latin1').trim()];
    } catch {
      return []; // attached to nothing
    }
  });
}
