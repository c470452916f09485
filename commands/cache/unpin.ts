import { string } from '@oclif/core/args';
import { BaseCommand } from '../../src/cli/base-command.js';
import { cacheFlags } from '../../src/cli/cache.js';

export default class CacheUnpin extends BaseCommand {
  static override summary = 'Let the cache forget an image that was pinned.';
  static override description = 'Its chunks stay until room is needed for others.';
  static override examples = [{ description: 'An image that is not needed any more, as thawfs cache ls lists it:', command: '<%= config.bin %> <%= command.id %> 9bb85adc6b82' }];
  static override args = { rootHash: string({ required: true, description: 'Root hash of the image, or its beginning.' }) };
  static override flags = cacheFlags;

  async run(): Promise<{ unpinned: string }> {
    const { args: { rootHash }, flags } = await this.parse(CacheUnpin);
    const [{ unpinImage }, { defaultCacheFolder }] = await Promise.all([import('../../src/image/cached-images.js'), import('../../src/mount/cache-folder.js')]);
    const unpinned = unpinImage(flags.cache ?? defaultCacheFolder(), rootHash);
    this.log(`unpinned ${unpinned}`);
    return { unpinned };
  }
}
