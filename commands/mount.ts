import { string } from '@oclif/core/args';
import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { mountFlags, mountOptions } from '../src/cli/mount-flags.js';
import { imageArgument } from '../src/cli/opened-image.js';
import { fields } from '../src/cli/report.js';

interface Report { readonly target: string; readonly backend: string; readonly name: string; readonly rootHash: string; readonly served: boolean }

export default class Mount extends BaseCommand {
  static override summary = 'Mount an image before it is downloaded.';
  static override description = `Returns when the directory can be used; what is read is fetched when it is read, verified, and kept. \
A server stays in the background until the directory is unmounted, or until the whole image is here: then the kernel reads the local copy, and no process is needed.

As root the kernel's own ext4 reads the image (--backend block). Everybody else gets the tree back-end.`;

  static override examples = [
    { description: 'Run from an image on a server at once:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub' },
    { description: 'Fetch only what is used, and nothing else:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --no-fill' },
    { description: 'Use only what was fetched before:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst /srv/app --trust ci.pub --offline' },
  ];

  static override args = { image: imageArgument, directory: string({ required: true, description: 'An existing directory.' }) };

  static override flags = { ...mountFlags, foreground: boolean({ char: 'f', summary: 'Stay until the directory is unmounted; Ctrl-C unmounts.' }) };

  async run(): Promise<Report> {
    const { args: { image, directory }, flags } = await this.parse(Mount);
    const { mountImage } = await import('../src/mount/mount-image.js');
    const { ended, id, ...mounted } = await mountImage(image, directory, { ...await mountOptions(flags, this.signal), foreground: flags.foreground });
    const report = { ...mounted, served: id !== undefined };
    const { target, backend, name, rootHash } = report;
    this.log(fields([['mounted', target], ['image', name], ['root hash', rootHash], ['back-end', backend], ['server', id ?? 'none needed: the image is complete here']]));
    // The supervisor got the same Ctrl-C: it unmounts, and its end is ours.
    if (ended !== undefined) await ended;
    return report;
  }
}
