/** The images whose digests are committed in images.json: a change of the format, of the layout or of a default shows there. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { layOutExt4, type Ext4Options } from '../../src/ext4/writer/writer.js';
import { buildImage, type BuildOptions } from '../../src/image/build.js';
import { contentRuns } from '../../src/image/content-reader.js';
import { openImage } from '../../src/image/open.js';
import { everythingTree } from '../helpers/everything-tree.js';
import { withTempDir } from '../helpers/temp-dir.js';
import { readContent } from '../helpers/tree-model.js';

export interface Golden {
  /** SHA-256 of the raw image; of a file system of 16 TiB that of its data with their places. */
  readonly raw: string;
  /** Of dm-verity. Neither depends on the codec. */
  readonly rootHash?: string;
}

const dump = 'test/golden/tree.dump';
const goldenFile = 'test/golden/images.json';

/** Built from the dump; through the packer, up to the manifest. */
const built: Readonly<Record<string, Partial<BuildOptions>>> = {
  'plain': {},
  'journal, inline data, free space': { journal: true, inlineData: true, freeBytes: 1 << 20 },
  'fs-verity, nothing shared': { fsVerity: true, share: false },
  'salt, uuid, name, small chunks': { salt: Buffer.from('00ff', 'hex'), uuid: Buffer.alloc(16, 7), volumeName: 'golden', chunkSize: 16384 },
  'owner, time, size': { owner: { uid: 1, gid: 2 }, clampMtime: 1_600_000_000, size: 16 << 20 },
};

/** Laid out from the tree in memory. */
const laidOut: Readonly<Record<string, Ext4Options>> = {
  'everything': {},
  'everything, journal, inline data': { journal: true, inlineData: readContent },
};

async function goldenOfBuilt(options: Partial<BuildOptions>): Promise<Golden> {
  return withTempDir(async (directory) => {
    const output = `${directory}/a.img.zst`;
    const { manifest } = await buildImage({ source: `dump:${dump}`, output, jobs: 1, ...options });
    await using image = await openImage(output, { trust: { keys: [], allowUnsigned: true, now: 0 } });
    const hash = createHash('sha256');
    for await (const { bytes } of image.chunks()) hash.update(bytes);
    return { raw: hash.digest('hex'), rootHash: manifest.verity.rootHash };
  });
}

function goldenOfLayout(options: Ext4Options): Golden {
  const hash = createHash('sha256');
  for (const { offset, bytes } of contentRuns(layOutExt4(everythingTree(), options).image)) hash.update(`${offset}+${bytes.length}:`).update(bytes);
  return { raw: hash.digest('hex') };
}

/** One entry for each golden image: its name, and how its digests are computed. */
export const goldenImages: readonly (readonly [name: string, compute: () => Golden | Promise<Golden>])[] = [
  ...Object.entries(built).map(([name, options]) => [`dump: ${name}`, () => goldenOfBuilt(options)] as const),
  ...Object.entries(laidOut).map(([name, options]) => [`memory: ${name}`, () => goldenOfLayout(options)] as const),
];

/** @returns what is committed, by name. */
export function readGolden(): Readonly<Record<string, Golden>> {
  return JSON.parse(readFileSync(goldenFile, 'utf8')) as Record<string, Golden>;
}

export function writeGolden(images: Readonly<Record<string, Golden>>): void {
  writeFileSync(goldenFile, `${JSON.stringify(images, undefined, 2)}\n`);
}
