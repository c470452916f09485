import { string as stringArgument } from '@oclif/core/args';
import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { given } from '../src/cli/given.js';
import { imageArgument, withFiles } from '../src/cli/opened-image.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags } from '../src/cli/trust.js';
import type { ExtractReport } from '../src/tree/extract-report.js';

/** Lines about what was left out, on a terminal; --json has up to a thousand. */
const SKIPPED_SHOWN = 20;

export default class Extract extends BaseCommand {
  static override summary = 'Copy files out of an image.';
  static override description = `Of a directory, what is in it goes to DIR; anything else goes there under its own name. Root gets all attributes back: owners, devices, \
extended attributes, ACLs, capabilities, nanosecond times. Others get what they may set; what was left out is listed. Sparse files stay sparse, hard links linked. \
Nothing is ever written outside DIR, whatever the image holds. Every byte is verified before it is written.`;

  static override examples = [
    { description: 'Everything:', command: '<%= config.bin %> <%= command.id %> app.img.zst -C rootfs --trust ci.pub' },
    { description: 'One folder from a server; only its chunks are fetched:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /etc -C etc --trust ci.pub' },
  ];

  static override args = { image: imageArgument, path: stringArgument({ default: '/', description: 'What to copy; everything unless given.' }) };

  static override flags = {
    directory: string({ char: 'C', required: true, helpValue: 'DIR', summary: 'Where to; made if it is not there.' }),
    owners: boolean({ allowNo: true, summary: 'Restore owner and group; what root does unless told otherwise.' }),
    overwrite: boolean({ summary: 'Replace files that are there already.' }),
    ...trustFlags,
  };

  async run(): Promise<ExtractReport> {
    const { args: { image, path }, flags } = await this.parse(Extract);
    const { extractImage } = await import('../src/image/extract.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await withFiles(image, flags, this, (files) => extractImage(files, path, flags.directory, {
        overwrite: flags.overwrite, ...given({ owners: flags.owners }), signal: this.signal, onProgress: (bytes) => { progress.update('extract', bytes, 0); },
      }));
      progress.stop();
      for (const line of report.skipped.slice(0, SKIPPED_SHOWN)) this.remark(`left out: ${line}`);
      if (report.skippedCount > SKIPPED_SHOWN) this.remark(`left out: ${report.skippedCount - SKIPPED_SHOWN} more`);
      this.log(fields([['written', flags.directory], ['files', report.entries], ['content', exactSize(report.bytes)], ['left out', report.skippedCount === 0 ? undefined : report.skippedCount]]));
      return report;
    } finally {
      progress.stop();
    }
  }
}
