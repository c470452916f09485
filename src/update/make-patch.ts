/** `diff -o`: the patch that makes one image from another (docs/format-patch.md). */
import { createHash } from 'node:crypto';
import { parseHex } from '../bytes/hex.js';
import { Room } from '../bytes/room.js';
import { openCodec } from '../codec/registry.js';
import type { PatchStream } from '../format/patch.js';
import type { Image } from '../image/image.js';
import { openImage, type OpenOptions } from '../image/open.js';
import { writeOutput } from '../image/output-file.js';
import type { ReadOptions } from '../source/range-source.js';
import { writeFully } from '../sys/write.js';
import { MiB } from '../units.js';
import { ChunkTable } from './chunk-table.js';
import { CostlyRuns } from './costly-runs.js';
import { Aligner } from './delta.js';
import { effortOf } from './effort.js';
import { readImageTree } from './image-tree.js';
import { matchFiles } from './match-files.js';
import { PatchWriter } from './patch-writer.js';
import { RegionMaker } from './region-maker.js';

export interface PatchOptions extends ReadOptions {
  /** Of the patch, 1..19; default 19: its zstd level, and how hard old data are looked for (effort.ts). */
  readonly level?: number;
  /** Raw bytes of the new image considered so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface MakePatchOptions extends Omit<OpenOptions, 'pages' | 'signal'>, PatchOptions {}

export const DEFAULT_PATCH_LEVEL = 19;

export interface MakePatchReport {
  readonly patch: string;
  readonly size: number;
  /** Chunks of the new image: taken over as they are; made from old and new data; stored, because this machine's zstd does not make their frames. */
  readonly chunks: { readonly same: number; readonly made: number; readonly stored: number };
  /** Raw bytes: taken from the old image, perhaps with differences; new data before compression. */
  readonly copied: number;
  readonly data: number;
  /** Compressed bytes of each stream. */
  readonly streams: Readonly<Record<PatchStream, number>>;
}

export const PATCH_CACHE_SIZE = 16 * MiB;
const WINDOW_SIZE = MiB;
/** Raw bytes that are described at a time. */
const STEP_SIZE = 8 * MiB;

/**
 * Deterministic: the same two images, level and libzstd give the same patch. Memory: what the trees and indexes of both have, and
 * 250 MiB for comparing large files.
 *
 * @param before, after images: paths or URLs
 * @param patch the file to write
 * @throws what openImage and reading throw; NO_SPACE
 */
export async function makePatch(before: string, after: string, patch: string, options: MakePatchOptions): Promise<MakePatchReport> {
  return await withPair(before, after, options, (old, now) => makePatchBetween(old, now, patch, options));
}

/** Opens both images, with caches of {@link PATCH_CACHE_SIZE}. */
export async function withPair<T>(before: string, after: string, options: MakePatchOptions, use: (old: Image, now: Image) => Promise<T>): Promise<T> {
  await using old = await openImage(before, { cacheBytes: PATCH_CACHE_SIZE, ...options });
  await using now = await openImage(after, { cacheBytes: PATCH_CACHE_SIZE, ...options });
  return await use(old, now);
}

/** The same of images that are open, with caches of {@link PATCH_CACHE_SIZE}. */
export async function makePatchBetween(old: Image, now: Image, patch: string, options: PatchOptions): Promise<MakePatchReport> {
  return await writeOutput(patch, async ({ fd }) => {
    let size = 0;
    const writer = new PatchWriter({
      codec: openCodec(), level: options.level ?? DEFAULT_PATCH_LEVEL,
      write: (bytes) => { writeFully(fd, bytes); size += bytes.length; },
    });
    const maker = new PatchMaker(old, now, writer, options);
    await maker.run();
    return { patch, size, chunks: maker.chunks, ...maker.bytes, streams: writer.sizes };
  }, [old.location, now.location]);
}

class PatchMaker {
  readonly chunks = { same: 0, made: 0, stored: 0 };
  bytes = { copied: 0, data: 0 };
  private readonly codec = openCodec();
  private window: { readonly offset: number; readonly bytes: Uint8Array } = { offset: 0, bytes: new Uint8Array(0) };
  private zeroFrame: Uint8Array | undefined;
  private readonly raw = new Room(MiB);
  private readonly frame = new Room(2 * MiB);

  constructor(private readonly old: Image, private readonly now: Image, private readonly writer: PatchWriter, private readonly options: PatchOptions) {}

  async run(): Promise<void> {
    const { old, now, writer, options } = this;
    const tables = [await ChunkTable.read(old, options), await ChunkTable.read(now, options)] as const;
    const trees = [await readImageTree(old, options), await readImageTree(now, options)] as const;
    const matches = await matchFiles(old, now, ...trees, options);
    const { manifest } = old;
    writer.begin({
      baseRootDigest: parseHex(manifest.index.rootDigest, 'rootDigest'), baseRootHash: parseHex(manifest.verity.rootHash, 'rootHash'),
      baseHashOffset: BigInt(manifest.verity.hashOffset), baseRawSize: BigInt(manifest.raw.size), fileSize: BigInt(now.fileSize), fileDigest: await this.digestOfFile(),
    }, now.headBytes);
    const level = options.level ?? DEFAULT_PATCH_LEVEL;
    const regions = new RegionMaker({ old, now, tables, trees, matches, aligner: new Aligner(effortOf(level)), costly: new CostlyRuns(this.codec, level), writer, options });
    const { raw, index: { chunkSize, chunkCount } } = now.manifest;
    const had = manifest.index.chunkSize === chunkSize ? tables[0].firstByKey() : new Map<string, number>();
    let [open, described] = [0, 0]; // chunks from `open` on are made from regions; up to here this has been described
    const describe = async (end: number): Promise<void> => {
      if (end > described) await regions.make(described, end);
      described = Math.max(end, described);
    };
    const close = async (end: number): Promise<void> => {
      await describe(Math.min(end * chunkSize, raw.size));
      this.chunks.made += end - open;
      open = end + 1;
      described = open * chunkSize;
    };
    for (let number = 0; number < chunkCount; number++) {
      options.signal?.throwIfAborted();
      options.onProgress?.(number * chunkSize, raw.size);
      if (number * chunkSize - described > STEP_SIZE) await describe(regions.startOf(number * chunkSize)); // files as a whole, while their chunks are in memory
      const { frameOffset, frameSize, size } = tables[1].place(number);
      const frame = await this.frameAt(frameOffset, frameSize);
      if (tables[1].isZero(number) && this.isZeroFrame(frame)) continue; // one operation makes many of them
      const twin = had.get(tables[1].key(number));
      if (twin !== undefined && (twin + 1) * chunkSize <= manifest.raw.fileSystemSize && await this.hasFrame(tables[0], twin, frame)) {
        await close(number);
        writer.same(twin, size);
        this.chunks.same++;
      } else if (!await this.isReproducible(number * chunkSize, size, frame)) {
        await close(number);
        writer.frame(frame, size);
        this.chunks.stored++;
      }
    }
    await close(chunkCount);
    writer.finish();
    options.onProgress?.(raw.size, raw.size);
    this.bytes = regions.bytes;
  }

  private async digestOfFile(): Promise<Uint8Array> {
    const hash = createHash('sha256');
    for (let at = 0; at < this.now.fileSize; at += 4 * MiB) hash.update(await this.now.readFile(at, Math.min(4 * MiB, this.now.fileSize - at), this.options));
    return hash.digest();
  }

  /** @returns bytes of the new file, good until the next call; frames come in order, so much is read at a time */
  private async frameAt(offset: number, length: number): Promise<Uint8Array> {
    const start = offset - this.window.offset;
    if (start < 0 || start + length > this.window.bytes.length) {
      this.window = { offset, bytes: await this.now.readFile(offset, Math.min(Math.max(length, WINDOW_SIZE), this.now.fileSize - offset), this.options) };
      return this.window.bytes.subarray(0, length);
    }
    return this.window.bytes.subarray(start, start + length);
  }

  /** @param frame of a whole chunk of zeros. @returns whether whoever applies the patch makes it so */
  private isZeroFrame(frame: Uint8Array): boolean {
    const { codec, now: { manifest: { codec: { implementation, level }, index: { chunkSize } } } } = this;
    if (codec.implementation !== implementation) return false;
    if (this.zeroFrame === undefined) {
      const target = new Uint8Array(codec.bound(chunkSize));
      this.zeroFrame = target.slice(0, codec.compress(new Uint8Array(chunkSize), target, level));
    }
    return Buffer.compare(this.zeroFrame, frame) === 0;
  }

  private async hasFrame(table: ChunkTable, number: number, frame: Uint8Array): Promise<boolean> {
    const { frameOffset, frameSize } = table.place(number);
    return frameSize === frame.length && Buffer.compare(await this.old.readFile(frameOffset, frameSize, this.options), frame) === 0;
  }

  /** Whether whoever applies the patch can make this frame from the chunk's bytes. */
  private async isReproducible(offset: number, size: number, frame: Uint8Array): Promise<boolean> {
    const { codec, now } = this;
    if (codec.implementation !== now.manifest.codec.implementation) return false;
    const bytes = this.raw.of(size);
    await now.readInto(offset, bytes, this.options);
    const target = this.frame.of(codec.bound(size));
    return Buffer.compare(target.subarray(0, codec.compress(bytes, target, now.manifest.codec.level)), frame) === 0;
  }
}
