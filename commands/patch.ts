import { string as stringArgument } from '@oclif/core/args';
import { string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import type { ApplyPatchReport } from '../src/update/apply-patch.js';

export default class Patch extends BaseCommand {
  static override summary = 'Make a new image from an old one and a patch.';
  static override description = `The patch comes from diff --output. The trust policy judges the new image before its first byte is written, and NEW appears under its name \
when it is, bit for bit, what was signed. OLD is only read. Patches need the system library libzstd.`;

  static override examples = [
    { description: 'Update:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst app-1-2.thawpatch -o app-2.img.zst --trust ci.pub' },
    { description: 'As it arrives:', command: 'curl -s https://example.org/app-1-2.thawpatch | <%= config.bin %> <%= command.id %> app-1.img.zst - -o app-2.img.zst --trust ci.pub' },
  ];

  static override args = {
    old: stringArgument({ required: true, description: 'The image that the patch was made from.' }),
    patch: stringArgument({ required: true, description: 'The patch; - for standard input.' }),
  };

  static override flags = {
    output: string({ char: 'o', required: true, helpValue: 'NEW', summary: 'Image file to write.' }),
    ...trustFlags,
  };

  async run(): Promise<ApplyPatchReport> {
    const { args: { old, patch }, flags } = await this.parse(Patch);
    const { applyPatch } = await import('../src/update/apply-patch.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await applyPatch(old, patch, flags.output, {
        trust: await trustPolicy(flags), signal: this.signal, onProgress: (done, total) => { progress.update('patch', done, total); },
      });
      progress.stop();
      const { output, manifest, signedBy, fileSize } = report;
      this.log(fields([
        ['written', output], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence], ['size', exactSize(fileSize)],
        ['root hash', manifest.verity.rootHash], ['signed by', signedBy.length === 0 ? 'nobody who is trusted' : signedBy.join(' ')],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}
