import { string } from '@oclif/core/args';
import { string as stringFlag } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { mountFlags, mountOptions } from '../src/cli/mount-flags.js';
import { fields } from '../src/cli/report.js';
import { wordsOf } from '../src/cli/words.js';
import { ThawfsError } from '../src/errors.js';
import type { MountReport } from '../src/mount/mount-options.js';
import type { PushReport } from '../src/mount/push.js';

export default class Push extends BaseCommand {
  static override summary = 'Put files, or another image, into a live mount.';
  static override description = `With --to, files are copied to where changes go: the image must be mounted with --upper. They appear at once, each whole.

Without --to, an image is put on top of all that is mounted there: it is fetched lazily and verified like the others. The flags for mounting are for that image. Needs Linux 6.5.

Files that are open stay as they are.`;

  static override examples = [
    { description: 'A new configuration:', command: '<%= config.bin %> <%= command.id %> /srv/app app.conf --to /etc/app.conf' },
    { description: 'An image with plug-ins on top of the application:', command: '<%= config.bin %> <%= command.id %> /srv/app https://example.org/plugins.img.zst --trust ci.pub' },
  ];

  static override strict = false;
  static override args = {
    directory: string({ required: true, description: 'Where the image is mounted.' }),
    file: string({ required: true, description: 'File to put there; may be repeated. Or an image: a path or an http(s) URL.' }),
  };

  static override flags = { to: stringFlag({ helpValue: 'PATH', summary: 'Path in the mount: a directory, or the new name of one file.' }), ...mountFlags };

  async run(): Promise<PushReport | Omit<MountReport, 'ended'>> {
    const parsed = await this.parse(Push);
    const { to, ...flags } = parsed.flags;
    const [directory, ...files] = wordsOf(parsed, Push) as [string, ...string[]];
    if (files.length === 0) throw new ThawfsError('BAD_ARGUMENT', 'push: no file', { suggestion: 'Name the files to put into the mount, or an image.' });
    if (to === undefined) {
      if (files.length > 1) throw new ThawfsError('BAD_ARGUMENT', 'push: one image at a time, and files need --to', { suggestion: 'Write: thawfs push DIR FILE... --to PATH, or: thawfs push DIR IMAGE' });
      return this.pushImage(directory, files[0]!, await mountOptions(flags, this.signal));
    }
    const { pushFiles } = await import('../src/mount/push.js');
    const report = await pushFiles(directory, files, to);
    for (const path of report.pushed) this.log(path);
    return report;
  }

  private async pushImage(directory: string, image: string, options: Awaited<ReturnType<typeof mountOptions>>): Promise<Omit<MountReport, 'ended'>> {
    const { pushImage } = await import('../src/mount/mount-image.js');
    const { directory: place, backend, layers, upper } = await pushImage(directory, image, options);
    const report = { directory: place, backend, layers, ...(upper === undefined ? {} : { upper }) };
    this.log(fields([
      ['on top of', directory], ['back-end', report.backend], ['upper', report.upper],
      ...report.layers.flatMap(({ name, rootHash, id }): [string, string][] => [['image', name], ['root hash', rootHash], ['server', id ?? 'none needed: the image is complete here']]),
    ]));
    return report;
  }
}
