import { string as stringArgument } from '@oclif/core/args';
import { boolean, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { given } from '../src/cli/given.js';
import { exactSize, fields, percent, table, utc } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import { hasCode } from '../src/errors.js';
import { decodeChunkList } from '../src/format/chunk-list.js';
import type { Manifest } from '../src/format/manifest.js';
import type { InspectOptions, Inspection } from '../src/image/inspect.js';
import { formatSize } from '../src/units.js';
import type { PatchInspection } from '../src/update/inspect-patch.js';

/** The verity parameters stand at the top too: they are what scripts that attach an image read. */
type InspectReport = (Inspection | PatchInspection) & Pick<Manifest, 'verity'>;

/** Files that the summary of a patch lists. */
const FILES_SHOWN = 20;

export default class Inspect extends BaseCommand {
  static override summary = 'Show what an image or a patch is: manifest, sizes, file system, signatures.';
  static override description = `Reads the head and the superblock, not the content. It judges nothing: an image that is not trusted is shown too, with the reason. \
What it says about the image is the image's own word until thawfs verify has accepted it.

With --json, manifest is the signed manifest as it is. With --map, every decoded range on disk is listed: of the file first, then of the raw image.

Of a patch it says what it applies to, what it makes, and what its bytes are spent on; with --image NEW, the image that it makes, also on which files. \
What several operations share is divided by what each uses of it.`;

  static override examples = [
    { description: 'A summary:', command: '<%= config.bin %> <%= command.id %> app.img.zst' },
    { description: 'The root hash of an image on a server, at the cost of a few small requests:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst --json | jq -r .manifest.verity.rootHash' },
    { description: 'Where everything lies, field by field:', command: '<%= config.bin %> <%= command.id %> app.img.zst --map' },
    { description: 'What makes a patch large:', command: '<%= config.bin %> <%= command.id %> app-1-2.thawpatch --image app-2.img.zst' },
  ];

  static override args = { image: stringArgument({ required: true, description: 'Image or patch: a path, or an http(s) URL, of which only what is needed is fetched.' }) };

  static override flags = {
    map: boolean({ summary: 'List every decoded on-disk range of an image.' }),
    image: string({ exclusive: ['map'], helpValue: 'NEW', summary: 'Of a patch: the image that it makes, to say what each file costs.' }),
    ...trustFlags,
  };

  async run(): Promise<InspectReport> {
    const { args: { image }, flags } = await this.parse(Inspect);
    const trust = await trustPolicy(flags);
    const report = flags.image === undefined ? await this.image(image, { trust, map: flags.map, signal: this.signal }) : undefined;
    if (report !== undefined) return report;
    const { inspectPatch } = await import('../src/update/inspect-patch.js');
    const inspection = await inspectPatch(image, { trust, signal: this.signal, ...given({ image: flags.image }) });
    this.log(patchSummary(inspection));
    return { ...inspection, verity: inspection.manifest.verity };
  }

  /** @returns undefined when it is a patch */
  private async image(location: string, options: InspectOptions): Promise<InspectReport | undefined> {
    const { inspectImage } = await import('../src/image/inspect.js');
    try {
      const inspection = await inspectImage(location, options);
      this.log(summary(inspection));
      if (inspection.map !== undefined) {
        this.log(`\n${table(inspection.map.map(({ space, offset, length, name, value }) => [space, String(offset), String(length), value === undefined ? name : `${name} = ${value}`]), [1, 2])}`);
      }
      return { ...inspection, verity: inspection.manifest.verity };
    } catch (error) {
      const { isPatch } = await import('../src/update/inspect-patch.js');
      if (hasCode(error, 'BAD_MAGIC', 'TRUNCATED') && await isPatch(location, options)) return undefined;
      throw error;
    }
  }
}

function patchSummary({ location, size, base, manifest, fileSize, signatures, trusted, refusal, batches, streams, kinds, files }: PatchInspection): string {
  const makes = { same: 'chunks taken over', old: 'old data', changed: 'old data with differences', literal: 'new data', zeros: 'zeros', hashes: 'hash area, computed', frame: 'chunks stored', gzip: 'gzip files, by content' } as const;
  return [
    fields([
      ['patch', location], ['size', exactSize(size)], ['applies to', base.rootHash], ['makes', manifest.verity.rootHash], ['name', manifest.name], ['label', manifest.label],
      ['sequence', manifest.sequence], ['file size', exactSize(fileSize)], ['raw size', exactSize(manifest.raw.size)], ['signatures of it', signatures.length],
      ...signatures.map(({ scheme, keyId, state }): [string, string] => ['', `${state}  ${scheme} by ${keyId}`]),
      ['trusted', trusted ? 'yes' : `no: ${refusal?.message ?? ''} (${refusal?.code ?? ''})`], ['batches', batches],
      ['streams', Object.entries(streams).map(([name, bytes]) => `${name} ${formatSize(bytes)}`).join(', ')],
    ]),
    table([['', 'operations', 'makes', 'costs'], ...Object.entries(makes).map(([kind, name]) => {
      const share = kinds[kind as keyof typeof makes];
      return [name, String(share.operations), formatSize(share.makes), formatSize(Math.round(share.costs))];
    })], [1, 2, 3]),
    ...(files === undefined ? [] : [table(files.slice(0, FILES_SHOWN).map(({ path, size: whole, costs }) => [formatSize(costs), path === '(metadata)' ? '' : `of ${formatSize(whole)}`, path]), [0, 1])]),
  ].join('\n\n');
}

function summary({ location, manifest, signatures, trusted, refusal, pkcs7, sizes, fileSystem, cost }: Inspection): string {
  const { raw, verity, index, codec, profile } = manifest;
  return fields([
    ['image', location], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence],
    ['expires', manifest.expires === undefined ? undefined : `${utc(manifest.expires)} UTC`], ['uuid', manifest.uuid], ['base', manifest.base],
    ['file size', exactSize(sizes.file)], ['raw size', exactSize(raw.size)], ['compressed to', percent(sizes.frames, raw.size)],
    ['start-up profile', profile === undefined ? undefined : profileSummary(manifest, profile)],
    ['chunks', `${index.chunkCount} of ${index.chunkSize} bytes`], ['codec', `${codec.name} level ${codec.level}, ${codec.implementation}`],
    ['file system', `ext4, ${exactSize(raw.fileSystemSize)}, ${fileSystem.blocks - fileSystem.freeBlocks} of ${fileSystem.blocks} blocks of ${fileSystem.blockSize} bytes used`],
    ['inodes', `${fileSystem.inodes - fileSystem.freeInodes} of ${fileSystem.inodes} used`], ['features', fileSystem.features.join(' ')],
    ['verity', `${verity.algorithm}, ${verity.dataBlocks} data blocks, hash offset ${verity.hashOffset}, salt ${verity.salt === '' ? 'none' : verity.salt}`],
    ['root hash', verity.rootHash], ['root-hash signature', pkcs7 ? 'PKCS#7' : 'none'],
    ['signatures', signatures.length],
    ...signatures.map(({ scheme, keyId, state }): [string, string] => ['', `${state}  ${scheme} by ${keyId}`]),
    ['trusted', trusted ? 'yes' : `no: ${refusal?.message ?? ''} (${refusal?.code ?? ''})`],
    ...Object.entries(manifest.provenance).map(([name, value]): [string, string] => [`built with ${name}`, value]),
    ['cost of looking', `${cost.requests} requests, ${exactSize(cost.bytes)}`],
  ]);
}

function profileSummary({ index: { chunkCount, chunkSize } }: Manifest, { chunks, digest }: NonNullable<Manifest['profile']>): string {
  const { length } = decodeChunkList(chunks, chunkCount, 'manifest.profile.chunks');
  return `${length} chunks of ${exactSize(length * chunkSize)} are fetched first (${percent(length, chunkCount)}), sha256 ${digest}`;
}
