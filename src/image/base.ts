/** The image that a build continues: its settings, its layout and its leaf digests, but none of its file data. */
import { parseHex, toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import type { BaseLayout } from '../ext4/base-layout.js';
import { readBaseLayout } from '../ext4/reader/base-layout.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import type { BaseOptions, BaseUse, LeafWindow } from '../ext4/writer/writer.js';
import { leavesOffset } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { zeroLeaves } from '../hash/zero-leaves.js';
import type { Content } from '../model/content.js';
import type { ReadOptions } from '../source/range-source.js';
import { Spool } from '../tree/spool.js';
import type { TrustPolicy } from '../trust/policy.js';
import { BLOCK_SIZE, formatSize } from '../units.js';
import { contentWindows } from './content-reader.js';
import type { Image } from './image.js';
import { prefetchMetadata } from './metadata.js';
import { openImage } from './open.js';

export interface BaseSource {
  /** Path or URL of an image. */
  readonly location: string;
  readonly trust: TrustPolicy;
  /** The same where it is open already, and stays open. */
  readonly image?: Image;
  /** Blocks that nothing uses, as a share of the file system (0 to 1); with more the layout begins afresh. Default 0.2. */
  readonly maxWaste?: number;
  /** Make blocks that nothing uses any more zeros, which makes more chunks change; default false: their chunks stay as they are. */
  readonly zeroFree?: boolean;
}

/** What an image on a base has in common with it, because nothing could be kept otherwise. */
export interface BaseSettings { readonly level: number; readonly chunkSize: number; readonly salt: Uint8Array }

/** Options of the file system that an image takes over from its base unless told otherwise. */
export interface BaseFeatures { readonly journal: boolean; readonly inlineData: boolean; readonly fsVerity: boolean }

export const DEFAULT_MAX_WASTE = 0.2;
/** The layout keeps a few bytes for each block of a base, free ones included. */
const MOST_BLOCKS = 2 ** 28;

export class BaseImage {
  private readonly spool = new Spool();

  private constructor(private readonly image: Image, readonly layout: BaseLayout, readonly features: BaseFeatures, private readonly leaves: Uint8Array, private readonly source: BaseSource) {}

  /**
   * Fetches index, metadata and leaf digests: some 1 to 2 % of the raw image. Memory: 1/128 of the raw image, 400 bytes a file.
   *
   * @throws what openImage throws; FEATURE_UNSUPPORTED when another program laid the file system out; LIMIT_EXCEEDED beyond 1 TiB; as Ext4Reader
   */
  static async open(source: BaseSource, options: ReadOptions): Promise<BaseImage> {
    const image = source.image ?? await openImage(source.location, { trust: source.trust, ...options });
    try {
      const { dataBlocks } = image.manifest.verity;
      if (dataBlocks > MOST_BLOCKS) {
        throw new ThawfsError('LIMIT_EXCEEDED', `${source.location}: has ${formatSize(dataBlocks * BLOCK_SIZE)}, a base at most ${formatSize(MOST_BLOCKS * BLOCK_SIZE)}`, {
          detail: { blocks: dataBlocks, limit: MOST_BLOCKS }, suggestion: 'Build without --base.',
        });
      }
      await prefetchMetadata(image, options);
      const { layout, features } = await image.run((view) => {
        const reader = new Ext4Reader(view);
        const has = (name: string): boolean => reader.features.includes(name);
        return { layout: readBaseLayout(reader), features: { journal: has('has_journal'), inlineData: has('inline_data'), fsVerity: has('verity') } };
      }, options);
      return new BaseImage(image, layout, features, await readLeaves(image, options), source);
    } catch (error) {
      if (image !== source.image) await image.close();
      throw error;
    }
  }

  get location(): string {
    return this.image.location;
  }

  /** Lowercase hex. */
  get rootHash(): string {
    return this.image.manifest.verity.rootHash;
  }

  /** @returns the settings that follow from the base @throws BAD_ARGUMENT when something else is asked for */
  settingsFor(asked: Partial<BaseSettings>): BaseSettings {
    const { settings } = this;
    const demand = (holds: boolean, flag: string, value: string): void => {
      if (holds) return;
      throw new ThawfsError('BAD_ARGUMENT', `${flag} is not that of the base, which has ${value}: no chunk of it could be kept`, {
        detail: { base: this.location, flag, value }, suggestion: `Leave ${flag} out, as it follows from the base; or build without --base.`,
      });
    };
    demand(asked.level === undefined || asked.level === settings.level, '--level', String(settings.level));
    demand(asked.chunkSize === undefined || asked.chunkSize === settings.chunkSize, '--chunk-size', String(settings.chunkSize));
    demand(asked.salt === undefined || Buffer.compare(asked.salt, settings.salt) === 0, '--salt', settings.salt.length === 0 ? 'none' : toHex(settings.salt));
    return settings;
  }

  private get settings(): BaseSettings {
    const { codec: { level }, index: { chunkSize } } = this.image.manifest;
    return { level, chunkSize, salt: this.salt };
  }

  private get salt(): Uint8Array {
    return parseHex(this.image.manifest.verity.salt, 'manifest.verity.salt');
  }

  /** What the ext4 writer takes. Freed blocks are there when {@link BaseImage.fetchFreed} is done. */
  get options(): BaseOptions {
    const { layout, leaves, salt, source: { maxWaste = DEFAULT_MAX_WASTE, zeroFree = false } } = this;
    return {
      layout, leaves, zeroLeaf: zeroLeaves(1, salt), leavesOf: (content) => leafWindows(content, salt), chunkBlocks: this.settings.chunkSize / BLOCK_SIZE, maxWaste,
      ...(zeroFree ? {} : { freedBlocks: this.spool.file }),
    };
  }

  /** Reads the blocks that keep what they held: of the data of the base, only their chunks are fetched. */
  async fetchFreed({ freed }: BaseUse, options: ReadOptions): Promise<void> {
    for (const { start, end } of freed.list) {
      for await (const { bytes } of this.image.chunks(start * BLOCK_SIZE, end * BLOCK_SIZE, options)) this.spool.append(bytes);
    }
    this.spool.flush();
  }

  async close(): Promise<void> {
    this.spool.dispose();
    if (this.image !== this.source.image) await this.image.close();
  }
}

async function readLeaves(image: Image, options: ReadOptions): Promise<Uint8Array> {
  const leaves = new Uint8Array(image.manifest.verity.dataBlocks * DIGEST_SIZE);
  const start = leavesOffset(image.manifest);
  if (image.manifest.verity.dataBlocks === 1) return parseHex(image.manifest.verity.rootHash, 'manifest.verity.rootHash'); // there is no level below the root
  for await (const { offset, bytes } of image.chunks(start, start + leaves.length, options)) leaves.set(bytes, offset - start);
  return leaves;
}

function* leafWindows(content: Content, salt: Uint8Array): Generator<LeafWindow> {
  let leaves = new Uint8Array(0);
  for (const { offset, bytes } of contentWindows(content)) {
    const size = Math.ceil(bytes.length / BLOCK_SIZE) * DIGEST_SIZE;
    if (leaves.length < size) leaves = new Uint8Array(size);
    hashLeaves(bytes, salt, leaves);
    yield { logical: offset / BLOCK_SIZE, leaves: leaves.subarray(0, size) };
  }
}
