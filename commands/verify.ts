import { boolean, integer } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { given } from '../src/cli/given.js';
import { imageArgument } from '../src/cli/opened-image.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import type { VerifyReport } from '../src/image/verify.js';

export default class Verify extends BaseCommand {
  static override summary = 'Check who made an image, and that it is whole and sound.';
  static override description = `First the trust policy, then every chunk, the index, the dm-verity tree and the seek table, then the structure of the file system. \
With --deep an independent reader (libext2fs, as WebAssembly) walks all files too, and both have to see the same. Of a URL, the whole image is fetched.

What was accepted is remembered: a lower sequence of the same name is refused from then on.`;

  static override examples = [
    { description: 'Accept what the key of the CI signed:', command: '<%= config.bin %> <%= command.id %> app.img.zst --trust ci.pub' },
    { description: 'Two of the keys in a folder must have signed:', command: '<%= config.bin %> <%= command.id %> app.img.zst --trust keys/ --threshold 2' },
    { description: 'Only that it is whole; nobody vouches for it:', command: '<%= config.bin %> <%= command.id %> app.img.zst --allow-unsigned' },
  ];

  static override args = { image: imageArgument };

  static override flags = {
    deep: boolean({ summary: 'Have an independent reader walk all files too, and compare.' }),
    jobs: integer({ char: 'j', min: 1, helpValue: 'N', summary: 'Threads; as many as processors unless given.' }),
    ...trustFlags,
  };

  async run(): Promise<VerifyReport> {
    const { args: { image }, flags } = await this.parse(Verify);
    const { verifyImage } = await import('../src/image/verify.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await verifyImage(image, {
        trust: await trustPolicy(flags), deep: flags.deep, ...given({ jobs: flags.jobs }),
        signal: this.signal, onProgress: (done, total) => { progress.update('verify', done, total); },
      });
      progress.stop();
      this.log(summary(report));
      return report;
    } finally {
      progress.stop();
    }
  }
}

function summary({ location, manifest, signatures, signedBy, fileSize, comparedNames }: VerifyReport): string {
  return fields([
    ['ok', location], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence],
    ['size', exactSize(fileSize)], ['raw size', exactSize(manifest.raw.size)], ['root hash', manifest.verity.rootHash],
    ...signedBy.map((keyId): [string, string] => ['signed by', `${keyId} (${signatures.filter((one) => one.keyId === keyId && one.state === 'valid').map(({ scheme }) => scheme).join(', ')})`]),
    ['signed by', signedBy.length === 0 ? 'nobody who is trusted' : undefined],
    ['compared', comparedNames === undefined ? undefined : `${comparedNames} names, both readers agree`],
  ]);
}
