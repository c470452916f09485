import { string } from '@oclif/core/args';
import { string as stringFlag } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { ThawfsError } from '../src/errors.js';
import type { PushReport } from '../src/mount/push.js';

export default class Push extends BaseCommand {
  static override summary = 'Put files into a live mount.';
  static override description = `The image must be mounted with --upper. Files appear at once, each whole; files that are open stay as they are.`;

  static override examples = [{ description: 'A new configuration:', command: '<%= config.bin %> <%= command.id %> /srv/app app.conf --to /etc/app.conf' }];

  static override strict = false;
  static override args = {
    directory: string({ required: true, description: 'Where the image is mounted.' }),
    file: string({ required: true, description: 'File to put there; may be repeated.' }),
  };

  static override flags = { to: stringFlag({ required: true, helpValue: 'PATH', summary: 'Path in the mount: a directory, or the new name of one file.' }) };

  async run(): Promise<PushReport> {
    const { argv, flags: { to } } = await this.parse(Push);
    const [directory, ...files] = argv as [string, ...string[]];
    if (files.length === 0) throw new ThawfsError('BAD_ARGUMENT', 'push: no file', { suggestion: 'Name the files to put into the mount.' });
    const { pushFiles } = await import('../src/mount/push.js');
    const report = pushFiles(directory, files, to);
    for (const path of report.pushed) this.log(path);
    return report;
  }
}
