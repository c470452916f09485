/** The flags by which the cache commands find the cache. */
import { existsSync } from 'node:fs';
import { string } from '@oclif/core/flags';
import { ThawfsError } from '../errors.js';
import type { DiskStore } from '../store/disk-store.js';

export const cacheFlags = { cache: string({ helpValue: 'DIR', summary: 'Folder of the cache; /var/cache/thawfs for root, else ~/.cache/thawfs, unless given.' }) };

/** @throws PATH_MISSING for a folder that was named and is not there: one that is made now would be an empty cache, and no error */
export async function openCache({ cache }: { readonly cache?: string | undefined }): Promise<DiskStore> {
  if (cache !== undefined && !existsSync(cache)) throw new ThawfsError('PATH_MISSING', `${cache}: there is no such cache`, { detail: { path: cache }, suggestion: 'Name the folder that was given to mount or fill.' });
  const [{ DiskStore }, { defaultCacheFolder }] = await Promise.all([import('../store/disk-store.js'), import('../mount/cache-folder.js')]);
  return new DiskStore(cache ?? defaultCacheFolder());
}
