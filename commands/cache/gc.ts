import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../../src/cli/base-command.js';
import { cacheFlags, openCache } from '../../src/cli/cache.js';
import { sizeFlag } from '../../src/cli/flags.js';
import { exactSize, fields } from '../../src/cli/report.js';

export default class CacheGc extends BaseCommand {
  static override summary = 'Make the chunk cache smaller.';
  static override description = `Removes what was unused for longest until the cache has the given size, and raw images that are not mounted. \
Whatever is missed later is fetched again. Mounts are not disturbed.`;
  static override examples = [{ description: 'Keep one gigabyte:', command: '<%= config.bin %> <%= command.id %> --to 1G' }];
  static override flags = {
    ...cacheFlags,
    to: sizeFlag({ required: true, summary: 'Size to come down to; 0 removes everything that may be removed.' }),
    raw: boolean({ allowNo: true, default: true, summary: 'Remove raw images that are not mounted too.' }),
  };

  async run(): Promise<{ used: number; freed: number; removedRawImages: string[] }> {
    const { flags } = await this.parse(CacheGc);
    const store = await openCache(flags);
    const { removeRawImage, unmountedRawImages } = await import('../../src/store/raw-folder.js');
    const before = store.used;
    const unmounted = flags.raw ? unmountedRawImages(store.folder) : [];
    for (const { path } of unmounted) removeRawImage(path);
    const removedRawImages = unmounted.map(({ rootHash }) => rootHash);
    const used = store.evict(flags.to, !flags.raw);
    const freed = Math.max(0, before - used);
    this.log(fields([['freed', exactSize(freed)], ['raw images', removedRawImages.length === 0 ? undefined : `${removedRawImages.length} removed`], ['in use', exactSize(used)]]));
    if (used > flags.to) this.remark('Pinned images and raw images that are mounted stay; thawfs cache ls shows them.');
    return { used, freed, removedRawImages };
  }
}
