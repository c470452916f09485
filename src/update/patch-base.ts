/**
 * The old image as a patch reads it: a file that thawfs built, or its raw image in a file or on a block device. That it is the right one is
 * checked when it is opened; its bytes are not, because everything that is made of them is: a block is hashed once, when it is new.
 */
import { toHex } from '../bytes/hex.js';
import { RecentPlaces } from '../bytes/recent-places.js';
import type { Codec } from '../codec/codec.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import type { PatchHeader } from '../format/patch.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import { isRemote } from '../source/is-remote.js';
import type { ReadOptions } from '../source/range-source.js';
import { readUpTo } from '../sys/descriptor.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { KiB, MiB } from '../units.js';
import { VerifiedAccess } from '../verity/verified-access.js';
import { bad } from './patch-reader.js';
import { hasMagic } from './side-kind.js';

/** Decompressed chunks kept, and the fewest of them. */
const KEPT_SIZE = 10 * MiB;
const KEPT_MIN = 4;
/** Most operations are short, and near others: of a raw image whole pieces are read, and as many kept. */
const PIECE_SIZE = 16 * KiB;
const PIECES_KEPT = 128;

export interface PatchBase {
  /** Fills `target` with bytes of the file system, unchecked. @throws BAD_FIELD beyond its end; CHUNK_DIGEST_MISMATCH for a frame that does not decompress */
  readInto(offset: number, target: Uint8Array): Promise<void>;
  /** @returns a chunk, and its frame where there are frames; unchecked, good until the next call. @throws as {@link PatchBase.readInto} */
  chunk(number: number, chunkSize: number): Promise<{ readonly frame?: Uint8Array; readonly raw: Uint8Array }>;
  /** For when the result is wrong: whether the old image is to blame. Cost: all of it is read. @throws CHUNK_DIGEST_MISMATCH */
  requireIntact(options: ReadOptions): Promise<void>;
  close(): Promise<void>;
}

/**
 * @param location a path
 * @throws BAD_ARGUMENT for a URL; WRONG_BASE when it is not the image that the patch was made from; what opening throws
 */
export async function openBase(location: string, header: PatchHeader): Promise<PatchBase> {
  if (isRemote(location)) throw new ThawfsError('BAD_ARGUMENT', 'the old image must be on this machine', { suggestion: 'Fetch the new image with thawfs pull: it takes what is less.' });
  return hasMagic(location) ? await ImageBase.open(location, header) : RawBase.open(location, header);
}

class ImageBase implements PatchBase {
  private readonly codec: Codec = openCodec();
  private readonly chunkSize: number;
  private readonly frame: Uint8Array;
  private readonly kept: RecentPlaces<Uint8Array>;

  /** @param hasFrames false when the same raw image lies in other frames than those the patch knows */
  private constructor(private readonly image: Image, private readonly opened: LocalBytes, private readonly hasFrames: boolean) {
    this.chunkSize = image.manifest.index.chunkSize;
    this.frame = Buffer.allocUnsafeSlow(this.codec.bound(this.chunkSize));
    this.kept = new RecentPlaces(Math.max(KEPT_MIN, KEPT_SIZE / this.chunkSize), () => Buffer.allocUnsafeSlow(this.chunkSize));
  }

  static async open(location: string, { baseRootDigest, baseRootHash }: PatchHeader): Promise<ImageBase> {
    // Whoever signed it: the patch names it by its digests, and the result has a signature of its own.
    const image = await openImage(location, { trust: { keys: [], allowUnsigned: true, now: 0 }, cacheBytes: 0 });
    try {
      const { index, verity, name, sequence } = image.manifest;
      if (toHex(baseRootHash) === verity.rootHash) return new ImageBase(image, LocalBytes.open(location), toHex(baseRootDigest) === index.rootDigest);
      throw new ThawfsError('WRONG_BASE', `the patch applies to an image with root hash ${toHex(baseRootHash)}; this one (${name}, sequence ${sequence}) has ${verity.rootHash}`, {
        detail: { expected: toHex(baseRootHash), actual: verity.rootHash }, suggestion: 'Apply it to the image that it was made from, or use thawfs pull.',
      });
    } catch (error) {
      await image.close();
      throw error;
    }
  }

  async readInto(offset: number, target: Uint8Array): Promise<void> {
    const { chunkSize } = this;
    requireInside(offset, target.length, this.image.manifest.raw.size);
    for (let done = 0; done < target.length;) {
      const number = Math.floor((offset + done) / chunkSize);
      const start = offset + done - number * chunkSize;
      const raw = this.kept.find(number) ?? (await this.decode(number)).raw;
      const part = raw.subarray(start, start + target.length - done);
      target.set(part, done);
      done += part.length;
    }
  }

  async chunk(number: number, chunkSize: number): Promise<{ readonly frame?: Uint8Array; readonly raw: Uint8Array }> {
    if (!this.hasFrames) {
      const raw = Buffer.allocUnsafeSlow(chunkSize);
      await this.readInto(number * chunkSize, raw);
      return { raw };
    }
    if (chunkSize !== this.chunkSize || number >= this.image.manifest.index.chunkCount) throw bad('operation', 'leads beyond the end of the old image');
    return this.decode(number);
  }

  async requireIntact(options: ReadOptions): Promise<void> {
    const parts = this.image.chunks(0, this.image.manifest.raw.size, options);
    while ((await parts.next()).done !== true);
  }

  async close(): Promise<void> {
    this.opened[Symbol.dispose]();
    await this.image.close();
  }

  private async decode(number: number): Promise<{ readonly frame: Uint8Array; readonly raw: Uint8Array }> {
    const [place] = await this.image.locate(number, number + 1);
    const { frameOffset, frameSize, size } = place!;
    const frame = this.frame.subarray(0, frameSize);
    const fill = (memory: Uint8Array): true => {
      try {
        if (readUpTo(this.opened.fd, frame, frameOffset, this.image.location) < frameSize) throw bad('base', 'became shorter');
        this.codec.decompress(frame, memory.subarray(0, size));
        return true;
      } catch (cause) {
        throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `${this.image.location}: chunk ${number} does not decompress`, {
          detail: { chunk: number, frameOffset, frameSize }, suggestion: 'Fetch or copy the old image again.', cause,
        });
      }
    };
    const raw = this.kept.load(number, fill)!.subarray(0, size);
    return { frame, raw };
  }
}

class RawBase implements PatchBase {
  private readonly size: number;
  private buffer = new Uint8Array(0);
  private readonly kept = new RecentPlaces<Uint8Array>(PIECES_KEPT, () => Buffer.allocUnsafeSlow(PIECE_SIZE));

  private constructor(private readonly opened: LocalBytes, private readonly verified: VerifiedAccess) {
    this.size = verified.size;
  }

  static open(location: string, { baseHashOffset, baseRootHash }: PatchHeader): RawBase {
    const opened = LocalBytes.open(location);
    try {
      return new RawBase(opened, new VerifiedAccess(opened, { hashOffset: Number(baseHashOffset), rootHash: baseRootHash }));
    } catch (error) {
      opened[Symbol.dispose]();
      if (!(error instanceof ThawfsError) || error.code === 'WRONG_BASE' || error.kind === 'resource') throw error;
      throw new ThawfsError('WRONG_BASE', `${location}: neither an image file nor the raw image that the patch applies to`, {
        detail: { expected: toHex(baseRootHash) }, suggestion: 'Name the image that the patch was made from.', cause: error,
      });
    }
  }

  readInto(offset: number, target: Uint8Array): Promise<void> {
    requireInside(offset, target.length, this.size);
    if (target.length >= PIECE_SIZE) {
      this.read(offset, target);
      return Promise.resolve();
    }
    for (let done = 0; done < target.length;) {
      const number = Math.floor((offset + done) / PIECE_SIZE);
      const start = offset + done - number * PIECE_SIZE;
      const part = this.piece(number).subarray(start, start + target.length - done);
      target.set(part, done);
      done += part.length;
    }
    return Promise.resolve();
  }

  async chunk(number: number, chunkSize: number): Promise<{ readonly raw: Uint8Array }> {
    if (this.buffer.length !== chunkSize) this.buffer = new Uint8Array(chunkSize);
    await this.readInto(number * chunkSize, this.buffer);
    return { raw: this.buffer };
  }

  requireIntact({ signal }: ReadOptions): Promise<void> {
    for (let at = 0; at < this.size; at += MiB) {
      signal?.throwIfAborted();
      this.verified.read(at, Math.min(MiB, this.size - at));
    }
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.opened[Symbol.dispose]();
    return Promise.resolve();
  }

  private piece(number: number): Uint8Array {
    const start = number * PIECE_SIZE;
    const fill = (memory: Uint8Array): true => {
      this.read(start, memory.subarray(0, this.size - start));
      return true;
    };
    return this.kept.find(number) ?? this.kept.load(number, fill)!;
  }

  private read(offset: number, target: Uint8Array): void {
    const { fd, path } = this.opened;
    const done = readUpTo(fd, target, offset, path);
    if (done === target.length) return;
    throw new ThawfsError('TRUNCATED', `${path}: ends at byte ${offset + done}`, { detail: { location: path, offset: offset + done }, suggestion: 'Fetch or copy the image again.' });
  }
}

function requireInside(offset: number, length: number, size: number): void {
  if (offset + length > size) throw bad('operation', 'leads beyond the end of the old image');
}
