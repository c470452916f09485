/** The flags by which the cache commands find the cache. */
import { string } from '@oclif/core/flags';
import type { DiskStore } from '../store/disk-store.js';

export const cacheFlags = { cache: string({ helpValue: 'DIR', summary: 'Folder of the cache; /var/cache/thawfs for root, else ~/.cache/thawfs, unless given.' }) };

export async function openCache({ cache }: { readonly cache?: string | undefined }): Promise<DiskStore> {
  const [{ DiskStore }, { defaultCacheFolder }] = await Promise.all([import('../store/disk-store.js'), import('../mount/cache-folder.js')]);
  return new DiskStore(cache ?? defaultCacheFolder());
}
