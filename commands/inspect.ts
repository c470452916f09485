import { boolean } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { imageArgument } from '../src/cli/opened-image.js';
import { exactSize, fields, percent, table, utc } from '../src/cli/report.js';
import { trustFlags, trustPolicy } from '../src/cli/trust.js';
import type { Manifest } from '../src/format/manifest.js';
import type { Inspection } from '../src/image/inspect.js';

/** The verity parameters stand at the top too: they are what scripts that attach an image read. */
type InspectReport = Inspection & Pick<Manifest, 'verity'>;

export default class Inspect extends BaseCommand {
  static override summary = 'Show what an image is: manifest, sizes, file system, signatures.';
  static override description = `Reads the head and the superblock, not the content. It judges nothing: an image that is not trusted is shown too, with the reason. \
What it says about the image is the image's own word until thawfs verify has accepted it.

With --json, manifest is the signed manifest as it is. With --map, every decoded range on disk is listed: of the file first, then of the raw image.`;

  static override examples = [
    { description: 'A summary:', command: '<%= config.bin %> <%= command.id %> app.img.zst' },
    { description: 'The root hash of an image on a server, at the cost of a few small requests:', command: '<%= config.bin %> <%= command.id %> https://example.org/app.img.zst --json | jq -r .manifest.verity.rootHash' },
    { description: 'Where everything lies, field by field:', command: '<%= config.bin %> <%= command.id %> app.img.zst --map' },
  ];

  static override args = { image: imageArgument };

  static override flags = { map: boolean({ summary: 'List every decoded on-disk range.' }), ...trustFlags };

  async run(): Promise<InspectReport> {
    const { args: { image }, flags } = await this.parse(Inspect);
    const { inspectImage } = await import('../src/image/inspect.js');
    const inspection = await inspectImage(image, { trust: await trustPolicy(flags), map: flags.map, signal: this.signal });
    this.log(summary(inspection));
    if (inspection.map !== undefined) {
      this.log(`\n${table(inspection.map.map(({ space, offset, length, name, value }) => [space, String(offset), String(length), value === undefined ? name : `${name} = ${value}`]), [1, 2])}`);
    }
    return { ...inspection, verity: inspection.manifest.verity };
  }
}

function summary({ location, manifest, signatures, trusted, refusal, pkcs7, sizes, fileSystem, cost }: Inspection): string {
  const { raw, verity, index, codec } = manifest;
  return fields([
    ['image', location], ['name', manifest.name], ['label', manifest.label], ['sequence', manifest.sequence],
    ['expires', manifest.expires === undefined ? undefined : `${utc(manifest.expires)} UTC`], ['uuid', manifest.uuid], ['base', manifest.base],
    ['file size', exactSize(sizes.file)], ['raw size', exactSize(raw.size)], ['compressed to', percent(sizes.frames, raw.size)],
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
