/** The old image as a patch reads it: a file that thawfs built, or its raw image in a file or on a block device. */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.js';
import { toHex } from '../bytes/hex.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { PatchHeader } from '../format/patch.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import { MiB } from '../units.js';
import { VerifiedAccess } from '../verity/verified-access.js';
import { bad } from './patch-reader.js';
import { hasMagic } from './side-kind.js';

const CACHE_SIZE = 16 * MiB;

export interface PatchBase {
  /** The file system; every byte was checked. */
  readonly view: RandomAccess;
  /** A chunk, and its frame where there are frames. */
  chunk(number: number, chunkSize: number): Promise<{ readonly frame?: Uint8Array; readonly raw: Uint8Array }>;
  close(): Promise<void>;
}

/**
 * @param location a path
 * @throws WRONG_BASE when it is not the image that the patch was made from; what opening throws
 */
export async function openBase(location: string, header: PatchHeader): Promise<PatchBase> {
  return hasMagic(location) ? await ImageBase.open(location, header) : RawBase.open(location, header);
}

class ImageBase implements PatchBase {
  readonly view: RandomAccess;

  private constructor(private readonly image: Image) {
    this.view = image.randomAccess;
  }

  static async open(location: string, { baseRootDigest, baseRootHash }: PatchHeader): Promise<ImageBase> {
    // Whoever signed it: the patch names it by its digests, and the result has a signature of its own.
    const image = await openImage(location, { trust: { keys: [], allowUnsigned: true, now: 0 }, cacheBytes: CACHE_SIZE });
    const { index, verity, name, sequence } = image.manifest;
    if (toHex(baseRootDigest) === index.rootDigest && toHex(baseRootHash) === verity.rootHash) return new ImageBase(image);
    await image.close();
    throw new ThawfsError('WRONG_BASE', `the patch applies to an image with root hash ${toHex(baseRootHash)}; this one (${name}, sequence ${sequence}) has ${verity.rootHash}`, {
      detail: { expected: toHex(baseRootHash), actual: verity.rootHash }, suggestion: 'Apply it to the image that it was made from, or use thawfs pull.',
    });
  }

  async chunk(number: number, chunkSize: number): Promise<{ readonly frame: Uint8Array; readonly raw: Uint8Array }> {
    const { index } = this.image.manifest;
    if (chunkSize !== index.chunkSize || number >= index.chunkCount) throw bad('operation', 'leads beyond the end of the old image');
    const [place] = await this.image.locate(number, number + 1);
    const raw = this.view.read(number * chunkSize, place!.size);
    return { raw, frame: await this.image.readFile(place!.frameOffset, place!.frameSize) };
  }

  close(): Promise<void> {
    return this.image.close();
  }
}

class RawBase implements PatchBase {
  private constructor(private readonly fd: number, readonly view: RandomAccess) {}

  static open(location: string, { baseHashOffset, baseRootHash, baseRawSize }: PatchHeader): RawBase {
    const fd = openReadOnly(location);
    try {
      return new RawBase(fd, new VerifiedAccess(descriptorAccess(fd, location, Number(baseRawSize)), { hashOffset: Number(baseHashOffset), rootHash: baseRootHash }));
    } catch (error) {
      closeSync(fd);
      if (!(error instanceof ThawfsError) || error.code === 'WRONG_BASE' || error.kind === 'resource') throw error;
      throw new ThawfsError('WRONG_BASE', `${location}: neither an image file nor the raw image that the patch applies to`, {
        detail: { expected: toHex(baseRootHash) }, suggestion: 'Name the image that the patch was made from.', cause: error,
      });
    }
  }

  chunk(number: number, chunkSize: number): Promise<{ readonly raw: Uint8Array }> {
    const start = number * chunkSize;
    if (start + chunkSize > this.view.size) throw bad('operation', 'leads beyond the end of the old image');
    return Promise.resolve({ raw: this.view.read(start, chunkSize) });
  }

  close(): Promise<void> {
    closeSync(this.fd);
    return Promise.resolve();
  }
}

function openReadOnly(location: string): number {
  try {
    return openSync(location, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw fromErrno(error, `opening ${location}`);
  }
}

/** Bytes of a file or block device, unchecked. */
export function descriptorAccess(fd: number, location: string, size: number): RandomAccess {
  return {
    size,
    read(offset, length) {
      const bytes = Buffer.allocUnsafeSlow(length);
      let done = 0;
      try {
        for (let count = 1; done < length && count > 0; done += count) count = readSync(fd, bytes, done, length - done, offset + done);
      } catch (error) {
        throw fromErrno(error, `reading ${location}`);
      }
      if (done < length) throw new ThawfsError('TRUNCATED', `${location}: ends at byte ${offset + done}`, { detail: { location, offset: offset + done }, suggestion: 'Fetch or copy the image again.' });
      return bytes;
    },
  };
}
