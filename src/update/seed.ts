/** Seeds: older images on this machine whose frames need not be fetched. */
import type { Manifest } from '../format/manifest.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ChunkRef } from '../store/chunk-store.js';
import { ChunkTable } from './chunk-table.js';
import type { DigestShelf } from './page-shelf.js';

export class Seed {
  private constructor(private readonly image: Image, private readonly table: ChunkTable, private readonly chunks: ReadonlyMap<string, number>) {}

  /**
   * Nobody need vouch for a seed: a frame of it is used when it decodes to the chunk that a trusted index names.
   *
   * @throws what openImage throws
   */
  static async open(location: string, shelf: DigestShelf, { signal }: ReadOptions = {}): Promise<Seed> {
    const image = await openImage(location, { trust: { keys: [], allowUnsigned: true, now: 0 }, pages: shelf, ...(signal === undefined ? {} : { signal }) });
    try {
      shelf.keepRoot(image.head.rootPage);
      const table = await ChunkTable.read(image, { signal });
      return new Seed(image, table, table.firstByKey());
    } catch (error) {
      await image.close();
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

  /**
   * Whether its frames are those that the other image has for the same chunks: one compressor gives one frame. Of another one a
   * frame would decode just as well, but the file would not be the one that was published.
   */
  hasFramesOf({ codec }: Manifest): boolean {
    const own = this.image.manifest.codec;
    return own.level === codec.level && own.implementation === codec.implementation;
  }

  /** @returns whether there is a frame of this id and size */
  has(key: string, frameSize: number): boolean {
    const number = this.chunks.get(key);
    return number !== undefined && this.table.frameSize(number) === frameSize;
  }

  /** @returns the frame's bytes as they lie in the seed, checked by nobody */
  read(key: string, options: ReadOptions): Promise<Uint8Array> {
    const { frameOffset, frameSize }: ChunkRef = this.table.place(this.chunks.get(key)!);
    return this.image.readFile(frameOffset, frameSize, options);
  }

  close(): Promise<void> {
    return this.image.close();
  }
}
