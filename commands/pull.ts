import { string as stringArgument } from '@oclif/core/args';
import { boolean, integer, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { sizeFlag } from '../src/cli/flags.js';
import { given } from '../src/cli/given.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields, percent } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import type { PullReport } from '../src/update/pull.js';
import type { PullCost } from '../src/update/pull-cost.js';

export default class Pull extends BaseCommand {
  static override summary = 'Download an image, fetching only what is not on this machine yet.';
  static override description = `Frames that an older image (--seed, or what NEW is now) holds are copied from there; of raw images and chunk caches they are made of the chunks, where this machine has the zstd that made the image. How much has to be fetched is said before it \
starts. Where a patch from one of these images lies beside the image (diff --publish) and is smaller than the chunks, it is fetched instead. What is written was verified against the signed index; NEW appears, or is replaced, when it is whole and was checked as a whole.

A run that ends early, however it ends, leaves .NEW.pull beside NEW; the same command goes on from there.`;

  static override examples = [
    { description: 'Update in place, fetching what changed:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst -o app.img.zst --trust ci.pub' },
    { description: 'With older versions at hand, and not more than 50 MB:', command: '<%= config.bin %> <%= command.id %> https://example.org/app-3.img.zst -o app-3.img.zst --seed app-2.img.zst --seed app-1.img.zst --max-bytes 50MB' },
    { description: 'Only see what it would cost:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst -o app.img.zst --dry-run' },
  ];

  static override args = { image: stringArgument({ required: true, description: 'URL or path of the image.' }) };

  static override flags = {
    'output': string({ char: 'o', required: true, helpValue: 'NEW', summary: 'File to write.' }),
    'seed': string({ multiple: true, multipleNonGreedy: true, helpValue: 'OLD', summary: 'An older image on this machine: image file, raw image, device, or the folder of a chunk cache. May be repeated.' }),
    'max-bytes': sizeFlag({ summary: 'Refuse to fetch more than this.' }),
    'dry-run': boolean({ summary: 'Only say what would be fetched.' }),
    'patch': boolean({ allowNo: true, default: true, summary: 'Use a patch that was published beside the image, when that is less to fetch.' }),
    'jobs': integer({ char: 'j', min: 1, helpValue: 'N', summary: 'Threads of the final check; as many as processors unless given.' }),
    ...trustFlags,
  };

  async run(): Promise<PullReport> {
    const { args: { image }, flags } = await this.parse(Pull);
    const { pullImage } = await import('../src/update/pull.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const report = await pullImage(image, flags.output, {
        trust: await trustPolicy(flags), dryRun: flags['dry-run'], patches: flags.patch, signal: this.signal,
        ...given({ seeds: flags.seed, maxBytes: flags['max-bytes'], jobs: flags.jobs }),
        onPlan: (cost) => { this.remark(announcement(cost)); },
        onProgress: progress.update,
      });
      progress.stop();
      const { output, manifest, signedBy, cost, fetched, complete } = report;
      this.log(fields([
        [complete ? 'written' : 'not written', output], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence],
        ['size', exactSize(cost.fileSize)], ['fetched', `${exactSize(fetched)}, ${percent(fetched, cost.fileSize)} of it`],
        ['root hash', manifest.verity.rootHash], ['signed by', signedBy.length === 0 ? 'nobody who is trusted' : signedBy.join(' ')],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}

function announcement({ fileSize, fetch, requests, seeded, kept, repeated, made, foreignSeeds, patch }: PullCost): string {
  if (patch !== undefined) {
    return `to fetch: ${exactSize(fetch)} in ${requests} requests, ${percent(fetch, fileSize)} of the image: a patch of ${exactSize(patch.size)} from ${patch.from}, instead of ${exactSize(patch.instead)}`;
  }
  const parts = [`${exactSize(seeded)} from seeds`, ...(kept > 0 ? [`${exactSize(kept)} from the last run`] : []), `${exactSize(repeated)} repeated`, ...(made > 0 ? [`${exactSize(made)} computed`] : [])];
  return [
    ...foreignSeeds.map((seed) => `${seed}: cannot be used: its frames are another compressor's, and this machine has not the zstd that made the new image`),
    `to fetch: ${exactSize(fetch)} in ${requests} requests, ${percent(fetch, fileSize)} of the image; ${parts.join(', ')}`,
  ].join('\n');
}
