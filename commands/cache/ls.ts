import { BaseCommand } from '../../src/cli/base-command.js';
import { cacheFlags, openCache } from '../../src/cli/cache.js';
import { exactSize, fields, percent } from '../../src/cli/report.js';
import type { CachedImage } from '../../src/image/cached-images.js';
import type { CacheSummary } from '../../src/store/cache-summary.js';

export default class CacheLs extends BaseCommand {
  static override summary = 'Show what the chunk cache holds.';
  static override description = `Chunks are shared by all images and mounts of a user. Images are those that were mounted or filled here; their shares are counted, whoever fetched the chunks. \
Raw images are those that were complete, and are mounted without a server.`;

  static override examples = [{ description: 'Images, how much of each is here, and the space that it all takes:', command: '<%= config.bin %> <%= command.id %>' }];
  static override flags = cacheFlags;

  async run(): Promise<CacheSummary & { images: CachedImage[] }> {
    const { flags } = await this.parse(CacheLs);
    const [{ summarise }, { cachedImages }, store] = await Promise.all([import('../../src/store/cache-summary.js'), import('../../src/image/cached-images.js'), openCache(flags)]);
    const [summary, images] = [summarise(store), cachedImages(store.folder)];
    const { folder, objects, objectSpace, rawImages, rawSpace } = summary;
    this.log(fields([
      ['folder', folder], ['chunks', `${objects}, ${exactSize(objectSpace)}`],
      ['images', images.length], ...images.map(({ name, sequence, rootHash, chunks, localChunks, pinned }): [string, string] => [
        '', `${rootHash.slice(0, 12)}  ${name} ${sequence}  ${percent(localChunks, chunks)} here${pinned ? ', pinned' : ''}`,
      ]),
      ['raw images', `${rawImages.length}, ${exactSize(rawSpace)}`], ...rawImages.map(({ name, space }): [string, string] => ['', `${name}  ${exactSize(space)}`]),
    ]));
    return { ...summary, images };
  }
}
