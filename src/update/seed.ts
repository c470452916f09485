/** Seeds: what is on this machine and has chunks of an image that is pulled, so that their frames need not be fetched. */
import { fromBytes } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import { printable } from '../source/http-url.js';
import { isRemote } from '../source/is-remote.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ChunkRef } from '../store/chunk-store.js';
import { ChunkTable } from './chunk-table.js';
import type { DigestShelf } from './page-shelf.js';

export interface Seed {
  /** A path, for messages. */
  readonly location: string;
  /** Of the image that it is, as file or raw, in lowercase hex; absent for what is no image. */
  readonly rootHash?: string | undefined;
  /** Whether what it gives are the frames of that image, bit for bit. */
  hasFramesOf(manifest: Manifest): boolean;
  /** @returns whether there is a chunk with this id whose frame has this size */
  has(key: string, frameSize: number): boolean;
  /** @returns the chunk's frame, checked by nobody; undefined when it is not there after all */
  read(chunk: ChunkRef, options: ReadOptions): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** An image file; its frames are copied. */
export class ImageSeed implements Seed {
  private constructor(private readonly image: Image, private readonly table: ChunkTable, private readonly chunks: ReadonlyMap<string, number>) {}

  /**
   * Nobody need vouch for a seed: a frame of it is used when it decodes to the chunk that a trusted index names.
   *
   * @throws BAD_ARGUMENT for a URL; what openImage throws
   */
  static async open(location: string, shelf: DigestShelf, { signal }: ReadOptions = {}): Promise<ImageSeed> {
    if (isRemote(location)) throw new ThawfsError('BAD_ARGUMENT', `${printable(location)}: a seed must be on this machine`, { suggestion: 'Name files, devices or cache folders of this machine.' });
    const image = await openImage(location, { trust: { keys: [], allowUnsigned: true, now: 0 }, pages: shelf, ...(signal === undefined ? {} : { signal }) });
    try {
      shelf.keepRoot(image.head.rootPage);
      const table = await ChunkTable.read(image, { signal });
      return new ImageSeed(image, table, table.firstByKey());
    } catch (error) {
      await image.close();
      throw error;
    }
  }

  get location(): string {
    return this.image.location;
  }

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

  has(key: string, frameSize: number): boolean {
    return this.hasChunk(key) && this.table.frameSize(this.chunks.get(key)!) === frameSize;
  }

  /** Whether there is a chunk with this id, in whatever frame. */
  hasChunk(key: string): boolean {
    return this.chunks.has(key);
  }

  read({ id }: ChunkRef, options: ReadOptions): Promise<Uint8Array> {
    const { frameOffset, frameSize } = this.table.place(this.chunks.get(fromBytes(id))!);
    return this.image.readFile(frameOffset, frameSize, options);
  }

  close(): Promise<void> {
    return this.image.close();
  }
}
