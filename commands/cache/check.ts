import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../../src/cli/base-command.js';
import { cacheFlags, openCache } from '../../src/cli/cache.js';
import { startProgress } from '../../src/cli/progress.js';
import { fields } from '../../src/cli/report.js';
import type { CacheCheckReport } from '../../src/image/check-cache.js';

export default class CacheCheck extends BaseCommand {
  static override summary = 'Verify everything in the chunk cache, and drop what is damaged.';
  static override description = `Chunks are checked in any case before a reader sees them; this finds damage beforehand, while there is still an origin to fetch from. \
Raw images, which the kernel reads without asking thawfs, are checked against their root hashes. Mounts are not disturbed: what was dropped is fetched when it is read.`;

  static override examples = [
    { description: 'After trouble with the disk:', command: '<%= config.bin %> <%= command.id %>' },
    { description: 'Only look:', command: '<%= config.bin %> <%= command.id %> --keep --json | jq .damaged' },
  ];

  static override flags = { ...cacheFlags, keep: boolean({ summary: 'Say what is damaged, and drop nothing.' }) };

  async run(): Promise<CacheCheckReport> {
    const { flags } = await this.parse(CacheCheck);
    const [store, { checkCache }] = await Promise.all([openCache(flags), import('../../src/image/check-cache.js')]);
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await checkCache(store, { keep: flags.keep, signal: this.signal, onProgress: (done, total) => { progress.update('check', done, total); } });
      progress.stop();
      const fate = flags.keep ? 'damaged' : 'damaged and dropped';
      this.log(fields([
        ['objects', `${report.objects}, ${report.damaged.length} ${fate}`],
        ['raw images', `${report.rawImages}, ${report.damagedRawImages.length} ${fate}`],
        ['not checked', report.sealedOnly.length === 0 ? undefined : `${report.sealedOnly.length} raw images of which nothing but the seal is known`],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}
