import { string as stringArgument } from '@oclif/core/args';
import { boolean, integer, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { given } from '../src/cli/given.js';
import { lookingPolicy } from '../src/cli/opened-image.js';
import { startProgress } from '../src/cli/progress.js';
import { exactSize, fields, percent, table } from '../src/cli/report.js';
import { trustFlags } from '../src/cli/trust.js';
import { ThawfsError } from '../src/errors.js';
import { formatSize } from '../src/units.js';
import type { Change, DiffReport } from '../src/update/diff.js';
import type { MakePatchOptions, MakePatchReport } from '../src/update/make-patch.js';

const letters: Readonly<Record<Change['change'], string>> = { added: 'A', removed: 'D', changed: 'C', moved: 'R', metadata: 'M' };

export default class Diff extends BaseCommand {
  static override summary = 'Say what changed between two images, and what fetching it costs.';
  static override description = `A and B are images (paths or URLs, of which only index, metadata and hash tree are fetched), or what build takes: a directory, a tar, ext4:FILE for a raw image, which may be on a device too. \
Lines begin with A (added), D (removed), C (changed), R (moved) or M (only metadata); the size is what fetching the file costs a host that has A.

Exit status 0: equal, 1: different; with --output or --publish 0: the patch was written. A lower sequence is not refused here.`;

  static override examples = [
    { description: 'Before an update:', command: '<%= config.bin %> <%= command.id %> app.img.zst https://example.org/app.img.zst --trust ci.pub' },
    { description: 'Is this tree what the image holds?', command: '<%= config.bin %> <%= command.id %> app.img.zst rootfs/ --name-only --trust ci.pub' },
    { description: 'Is this device still what the image holds?', command: '<%= config.bin %> <%= command.id %> app.img.zst ext4:/dev/vda2 --trust ci.pub' },
    { description: 'Which directories make the update large:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst app-2.img.zst --stat --trust ci.pub' },
    { description: 'Publish a patch beside the new image, where pull finds it:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst app-2.img.zst --publish --trust ci.pub' },
    { description: 'Make a patch:', command: '<%= config.bin %> <%= command.id %> app-1.img.zst app-2.img.zst -o app-1-2.thawpatch --trust ci.pub' },
  ];

  static override args = {
    before: stringArgument({ required: true, name: 'A', description: 'Image, directory, tar or ext4:FILE: before.' }),
    after: stringArgument({ required: true, name: 'B', description: 'Image, directory, tar or ext4:FILE: after.' }),
  };

  static override flags = {
    'output': string({ char: 'o', exclusive: ['stat', 'name-only'], helpValue: 'PATCH', summary: 'Write the patch that thawfs patch makes B from A with; both are images.' }),
    'publish': boolean({ exclusive: ['output', 'stat', 'name-only'], summary: 'Write that patch beside B, under the name by which pull finds it.' }),
    'level': integer({ min: 1, max: 19, helpValue: 'N', summary: 'Compression of the patch, 1 (fast) to 19 (small); 19 unless given.' }),
    'stat': boolean({ exclusive: ['name-only'], summary: 'Only sums: changes of each kind, and the cost of each directory.' }),
    'name-only': boolean({ summary: 'Only the names of what differs.' }),
    ...trustFlags,
  };

  async run(): Promise<DiffReport | MakePatchReport> {
    const { args: { before, after }, flags } = await this.parse(Diff);
    const trust = await lookingPolicy({ ...flags, 'any-sequence': true }, `${before} and ${after}`, this.remark);
    if (flags.output !== undefined || flags.publish) return this.writePatch(before, after, flags.output, { trust, signal: this.signal, ...given({ level: flags.level }) });
    if (flags.level !== undefined) throw new ThawfsError('BAD_ARGUMENT', '--level is that of a patch', { suggestion: 'Say --output or --publish too.' });
    const { diffTrees } = await import('../src/update/diff.js');
    const report = await diffTrees(before, after, { trust, signal: this.signal });
    if (!report.equal) process.exitCode = 1;
    if (flags['name-only']) for (const { path } of report.changes) this.log(path);
    else if (flags.stat) this.log(sums(report));
    else if (report.changes.length > 0) this.log(`${listing(report)}\n\n${sums({ ...report, directories: [] })}`);
    return report;
  }

  private async writePatch(before: string, after: string, output: string | undefined, options: MakePatchOptions): Promise<MakePatchReport> {
    const { makePatch } = await import('../src/update/make-patch.js');
    const { publishPatch } = await import('../src/update/published-patch.js');
    const progress = await startProgress({ silent: this.jsonEnabled() });
    try {
      const watched: MakePatchOptions = { ...options, onProgress: (done, total) => { progress.update('diff', done, total); } };
      const report = output === undefined ? await publishPatch(before, after, watched) : await makePatch(before, after, output, watched);
      progress.stop();
      const { chunks: { same, made, stored }, copied, data } = report;
      this.log(fields([
        ['written', report.patch], ['size', exactSize(report.size)], ['chunks', `${same} the same, ${made} made, ${stored} stored`],
        ['raw bytes', `${exactSize(copied)} copied, ${exactSize(data)} new or changed`],
      ]));
      return report;
    } finally {
      progress.stop();
    }
  }
}

function listing({ changes }: DiffReport): string {
  return table(changes.map(({ change, path, from, fields: which, download }) => [
    letters[change], download > 0 ? formatSize(download) : '', `${from === undefined ? path : `${from} -> ${path}`}${which.length > 0 ? `  (${which.join(', ')})` : ''}`,
  ]), [1]);
}

function sums({ counts, directories, fetch }: DiffReport): string {
  const names = { added: 'added', removed: 'removed', changed: 'changed', moved: 'moved', metadata: 'metadata only' } as const;
  return [
    fields(Object.entries(names).map(([kind, name]) => [name, counts[kind as Change['change']]])),
    ...(fetch === undefined ? [] : [fields([
      ['to fetch', `${exactSize(fetch.total)}, ${percent(fetch.total, fetch.fileSize)} of the image`],
      ['  changed', exactSize(fetch.changed)], ['  relocated', exactSize(fetch.relocated)], ['  metadata', exactSize(fetch.metadata)],
      ['computed', exactSize(fetch.computed)], ['or a patch', fetch.patch === undefined ? undefined : exactSize(fetch.patch)],
    ])]),
    ...(directories.length === 0 ? [] : [table(directories.map(({ path, download }) => [formatSize(download), path]), [0])]),
  ].join('\n');
}
