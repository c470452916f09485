import { string as stringArgument } from '@oclif/core/args';
import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { given } from '../src/cli/given.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import type { ApplyPatchReport } from '../src/update/apply-patch.js';

export default class Patch extends BaseCommand {
  static override summary = 'Make a new image from an old one and a patch.';
  static override description = `The patch comes from diff --output. The trust policy judges the new image before a byte is written, and NEW appears under its name \
when it is, bit for bit, what was signed. OLD is an image file, its raw image, or a block device that holds that; it is only read. A run that was interrupted is \
continued by the same command.

NEW is an image file, which needs the zstd version that made the published one, or with --raw its raw image, which does not. With --in-place the raw image or \
device OLD itself becomes the new one: what changes goes into a journal first, and the device is written when the whole new image was checked.`;

  static override examples = [
    { description: 'Update:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst app-1-2.thawpatch -o app-2.img.zst --trust ci.pub' },
    { description: 'From a server, as it arrives:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst https://example.org/app-1-2.thawpatch -o app-2.img.zst --trust ci.pub' },
    { description: 'From one slot of a device to a file for another:', command: '<%= config.bin %> <%= command.id %> /dev/vda2 app-1-2.thawpatch -o slot-b.img --raw --trust ci.pub' },
    { description: 'A device that is not mounted, where it is:', command: '<%= config.bin %> <%= command.id %> /dev/vda2 app-1-2.thawpatch --in-place --journal /var/tmp/app.journal --trust ci.pub' },
  ];

  static override args = {
    old: stringArgument({ required: true, description: 'The image that the patch was made from: file, raw image or block device.' }),
    patch: stringArgument({ required: true, description: 'The patch: a file or pipe, an http(s) URL, - for standard input.' }),
  };

  static override flags = {
    'output': string({ char: 'o', exactlyOne: ['output', 'in-place'], helpValue: 'NEW', summary: 'File to write.' }),
    'raw': boolean({ dependsOn: ['output'], summary: 'Write the raw image, as any kernel mounts it.' }),
    'in-place': boolean({ exactlyOne: ['output', 'in-place'], summary: 'Update the raw image or device OLD itself.' }),
    'journal': string({ dependsOn: ['in-place'], helpValue: 'FILE', summary: 'Where the changes wait; .OLD.journal unless given, for a device it must be given.' }),
    ...trustFlags,
  };

  async run(): Promise<ApplyPatchReport> {
    const { args: { old, patch }, flags } = await this.parse(Patch);
    const { applyPatch, patchInPlace } = await import('../src/update/apply-patch.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    const options = { trust: await trustPolicy(flags), signal: this.signal, onProgress: (done: number, total: number) => { progress.update('patch', done, total); } };
    try {
      const report = flags.output === undefined
        ? await patchInPlace(old, patch, { ...options, ...given({ journal: flags.journal }) })
        : await applyPatch(old, patch, flags.output, { ...options, raw: flags.raw });
      progress.stop();
      const { output, manifest, signedBy, size, resumedAt } = report;
      this.log(fields([
        ['written', output], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence], ['size', exactSize(size)],
        ['continued at', resumedAt === 0 ? undefined : `${exactSize(resumedAt)} of ${exactSize(manifest.raw.size)} raw bytes`],
        ['root hash', manifest.verity.rootHash], ['signed by', signedBy.length === 0 ? 'nobody who is trusted' : signedBy.join(' ')],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}
