import { BaseCommand } from '../../src/cli/base-command.js';
import { cacheFlags, openCache } from '../../src/cli/cache.js';
import { exactSize, fields } from '../../src/cli/report.js';
import type { CacheSummary } from '../../src/store/cache-summary.js';

export default class CacheLs extends BaseCommand {
  static override summary = 'Show what the chunk cache holds.';
  static override description = 'Chunks are shared by all images and mounts of a user. Raw images are those that were complete, and are mounted without a server.';

  static override examples = [{ description: 'Space that chunks and raw images take:', command: '<%= config.bin %> <%= command.id %>' }];
  static override flags = cacheFlags;

  async run(): Promise<CacheSummary> {
    const { flags } = await this.parse(CacheLs);
    const { summarise } = await import('../../src/store/cache-summary.js');
    const summary = summarise(await openCache(flags));
    const { folder, objects, objectSpace, rawImages, rawSpace } = summary;
    this.log(fields([
      ['folder', folder], ['chunks', `${objects}, ${exactSize(objectSpace)}`],
      ['raw images', `${rawImages.length}, ${exactSize(rawSpace)}`], ...rawImages.map(({ name, space }): [string, string] => ['', `${name}  ${exactSize(space)}`]),
    ]));
    return summary;
  }
}
