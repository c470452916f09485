/**
 * Patches that lie beside an image at its origin, under a name that says what they start from: `NAME.from-XXXX.thawpatch`, XXXX being
 * the first 16 digits of the older image's root hash. Who pulls and has that image takes the patch when it is the smallest way.
 */
import { existsSync, rmSync } from 'node:fs';
import { toHex } from '../bytes/hex.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE } from '../format/container.js';
import { PATCH_MAGIC, patchHeader, patchSuffix } from '../format/patch.js';
import type { Image } from '../image/image.js';
import { isHttp, isRegistry } from '../source/is-remote.js';
import { openSource, type SourceOptions } from '../source/open-source.js';
import type { OnRequest, RangeSource } from '../source/range-source.js';
import { besideReference } from '../source/registry-reference.js';
import type { TrustPolicy } from '../trust/policy.js';
import { KiB, MiB } from '../units.js';
import { applyPatch, partialPathOf } from './apply-patch.js';
import { makePatchBetween, withPair, type MakePatchOptions, type MakePatchReport } from './make-patch.js';
import { PatchReader } from './patch-reader.js';
import { ResumableFile } from './resumable-file.js';
import type { Seed } from './seed.js';

/** Holds header and head of any patch. */
const OPENING_SIZE = HEAD_MAX_SIZE + 4 * KiB;
/** Bytes of a request: what a run that is killed may have to fetch again. */
const PART_SIZE = 4 * MiB;

/**
 * @param image path or URL of the newer image
 * @param rootHash of the older one
 * @returns where the patch between them is looked for
 */
export function patchBeside(image: string, rootHash: string): string {
  const suffix = patchSuffix(rootHash);
  if (isRegistry(image)) return besideReference(image, suffix);
  if (!isHttp(image)) return image + suffix;
  const url = new URL(image);
  url.pathname += suffix;
  return url.href;
}

/**
 * Makes the patch from `before` to `after` and puts it beside `after`.
 *
 * @param after path of an image
 * @throws as makePatch
 */
export async function publishPatch(before: string, after: string, options: MakePatchOptions): Promise<MakePatchReport> {
  return await withPair(before, after, options, (old, now) => makePatchBetween(old, now, patchBeside(after, old.manifest.verity.rootHash), options));
}

/** @returns bytes of the patch that lies beside an image, undefined without one; costs a request @param rootHash of the older image */
export async function sizeOfPublishedPatch(image: string, rootHash: string, options: SourceOptions): Promise<number | undefined> {
  try {
    const { source, opening } = await openSource(patchBeside(image, rootHash), patchHeader.size, options);
    await source.close();
    return opening.length === patchHeader.size && Buffer.from(PATCH_MAGIC).equals(opening.subarray(0, PATCH_MAGIC.length)) ? source.size : undefined;
  } catch (error) {
    if (hasCode(error)) return undefined;
    throw error;
  }
}

export interface ApplyPublishedOptions {
  readonly trust: TrustPolicy;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((stage: 'fetch' | 'copy', done: number, total: number) => void) | undefined;
}

interface OldImage { readonly from: string; readonly rootHash: string }

/** A patch that makes the wanted image of a seed. */
export class PublishedPatch {
  private constructor(
    private readonly source: RangeSource, private readonly opening: Uint8Array, private readonly image: Image, private readonly base: OldImage, private readonly output: string,
    private readonly statistics: { bytesFetched: number },
  ) {}

  /**
   * Looks for a patch from one of the seeds that are images. One request a seed.
   *
   * @param location where the image was opened
   * @returns undefined where there is none that makes exactly this image, or this machine cannot make the image's frames
   */
  static async find(location: string, image: Image, seeds: readonly Seed[], output: string, options: SourceOptions): Promise<PublishedPatch | undefined> {
    if (openCodec().implementation !== image.manifest.codec.implementation) return undefined;
    for (const { location: from, rootHash } of seeds) {
      if (rootHash === undefined || rootHash === image.manifest.verity.rootHash || !existsSync(from)) continue;
      const patch = await PublishedPatch.open(patchBeside(location, rootHash), image, { from, rootHash }, output, options);
      if (patch === undefined) continue;
      if (await patch.makesImage()) return patch;
      await patch.close();
    }
    return undefined;
  }

  private static async open(location: string, image: Image, base: OldImage, output: string, options: SourceOptions): Promise<PublishedPatch | undefined> {
    const statistics = { bytesFetched: 0 };
    const onRequest: OnRequest = (request) => {
      statistics.bytesFetched += request.bytesReceived;
      options.onRequest?.(request);
    };
    try {
      const { source, opening } = await openSource(location, OPENING_SIZE, { ...options, onRequest });
      return new PublishedPatch(source, opening, image, base, output, statistics);
    } catch (error) {
      if (hasCode(error)) return undefined; // usually there is none
      throw error;
    }
  }

  get location(): string {
    return this.source.location;
  }

  /** The image that it starts from. */
  get from(): string {
    return this.base.from;
  }

  /** Bytes of the patch. */
  get size(): number {
    return this.source.size;
  }

  /** Bytes that came so far. */
  get bytesFetched(): number {
    return this.statistics.bytesFetched;
  }

  /** Bytes that are here: from the opening, or from a run that was interrupted. */
  get kept(): number {
    if (!existsSync(this.temporaryPath)) return this.opening.length;
    const file = this.openFile();
    try {
      return this.continues(file) ? Math.min(file.size, this.size) : this.opening.length;
    } finally {
      file.close();
    }
  }

  /** Requests for the rest. */
  get requests(): number {
    return Math.ceil((this.size - this.kept) / PART_SIZE);
  }

  /**
   * Downloads the patch and makes the image with it; what has been fetched is kept when the run ends early.
   *
   * @throws as applyPatch; the download is removed when it is of no use
   */
  async apply({ trust, signal, onProgress }: ApplyPublishedOptions): Promise<void> {
    const file = this.openFile();
    try {
      await this.download(file, { signal, onProgress });
      await applyPatch(this.from, this.temporaryPath, this.output, {
        trust, ...(signal === undefined ? {} : { signal }), onProgress: (done, total) => { onProgress?.('copy', done, total); },
      });
      file.discard();
    } catch (error) {
      if (isUseless(error)) {
        file.discard();
        rmSync(partialPathOf(this.output, this.image.manifest.verity.rootHash), { force: true });
      }
      throw error;
    } finally {
      file.close();
    }
  }

  close(): Promise<void> {
    return this.source.close();
  }

  /** Whether the file that it makes of the old image begins with the very head that was published: another image, or another signature, is another file. */
  private async makesImage(): Promise<boolean> {
    const { opening, image: { headBytes } } = this;
    const bytes = (async function* (): AsyncGenerator<Uint8Array> { yield await Promise.resolve(opening); })();
    try {
      const { header, head } = await new PatchReader(bytes, openCodec()).begin();
      return Buffer.compare(head, headBytes) === 0 && toHex(header.baseRootHash) === this.base.rootHash;
    } catch (error) {
      if (hasCode(error)) return false;
      throw error;
    }
  }

  private async download(file: ResumableFile, { signal, onProgress }: Pick<ApplyPublishedOptions, 'signal' | 'onProgress'>): Promise<void> {
    if (!this.continues(file)) {
      file.resize(0);
      file.write(this.opening, 0);
    }
    if (file.size > this.size) file.resize(this.size);
    for (let at = file.size; at < this.size; at = file.size) {
      signal?.throwIfAborted();
      file.write(await this.source.read(at, Math.min(PART_SIZE, this.size - at), { signal }), at);
      onProgress?.('fetch', file.size, this.size);
    }
  }

  private continues(file: ResumableFile): boolean {
    return file.size >= this.opening.length && Buffer.compare(file.read(0, this.opening.length), this.opening) === 0;
  }

  private openFile(): ResumableFile {
    return ResumableFile.openAt(this.output, this.temporaryPath);
  }

  private get temporaryPath(): string {
    return ResumableFile.temporaryPathOf(this.output, `${this.base.rootHash.slice(0, 16)}.thawpatch`);
  }
}

/** Whether the same patch would fail again; then the image is fetched chunk by chunk. */
export function isUseless(error: unknown): error is ThawfsError {
  return hasCode(error) && (error.kind === 'integrity' || error.kind === 'format' || error.kind === 'unsupported');
}
