/** `pull`: downloads an image, taking what is on this machine already from older images and from a run that was interrupted. */
import { existsSync, ftruncateSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { decodeHead } from '../chunk/head.js';
import { IndexWriter } from '../chunk/index-writer.js';
import { seekTableFrame, skippableFrame } from '../chunk/tail.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE, INDEX_FRAME_MAGIC } from '../format/container.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { checkContainer } from '../image/check-container.js';
import { wholeContent } from '../image/content-reader.js';
import type { Image } from '../image/image.js';
import { openImage, type OpenOptions } from '../image/open.js';
import { createPool } from '../image/pack.js';
import type { FrameRun } from '../store/remote-store.js';
import { Slots } from '../store/slots.js';
import { BLOCK_SIZE, formatSize, MiB } from '../units.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { LeafStore } from '../verity/leaf-store.js';
import { ChunkTable } from './chunk-table.js';
import { DigestShelf } from './page-shelf.js';
import { isUseless, PublishedPatch } from './published-patch.js';
import { findKept, planPull, runsOf, sizeOfRuns, type PullPlan } from './pull-plan.js';
import { ResumableFile } from './resumable-file.js';
import { Seed } from './seed.js';

/** Requests at a time. */
const PARALLEL = 4;
/** Fetching less than this is not worth looking for a patch. */
const PATCH_WORTH = MiB;

export interface PullOptions extends Omit<OpenOptions, 'cacheBytes' | 'pages'> {
  /** Older images on this machine; an image that `output` already is counts as one. Default none. */
  readonly seeds?: readonly string[];
  /** Refuse to fetch more than this, bytes; default any amount. */
  readonly maxBytes?: number;
  /** Only plan: nothing is written or fetched beyond head and index; default false. */
  readonly dryRun?: boolean;
  /** Take a patch from one of the seeds where one lies beside the image and is the smaller way (published-patch.ts); default true. */
  readonly patches?: boolean;
  /** Threads of the final check, default the processors of this machine. */
  readonly jobs?: number;
  /** Called before anything is written; a second time when a patch was of no use and chunks are fetched after all. */
  readonly onPlan?: (cost: PullCost) => void;
  readonly onProgress?: (stage: 'copy' | 'fetch' | 'check', done: number, total: number) => void;
}

/** Bytes of the image file, by where they come from. */
export interface PullCost {
  readonly fileSize: number;
  /** To be fetched, in this many requests. */
  readonly fetch: number;
  readonly requests: number;
  /** Head and index, which were fetched to find out. */
  readonly opened: number;
  /** Frames of seeds, of an interrupted run, and such as the image has more than once. */
  readonly seeded: number;
  readonly kept: number;
  readonly repeated: number;
  /** Frames of the hash area: computed here from all others, where this machine has the compressor of the image. */
  readonly made: number;
  /** Seeds that cannot help: their frames are those of another compressor. */
  readonly foreignSeeds: readonly string[];
  /** The patch that is fetched instead of chunks: where it lies, its bytes, the seed that it starts from, and what the chunks would cost. */
  readonly patch?: { readonly location: string; readonly size: number; readonly from: string; readonly instead: number };
}

export interface PullReport {
  readonly output: string;
  readonly manifest: Manifest;
  readonly signedBy: readonly string[];
  readonly cost: PullCost;
  /** Bytes that came from the source in the end, with head and index; as planned unless something had to be fetched twice. */
  readonly fetched: number;
  /** Whether `output` was written: not with `dryRun`. */
  readonly complete: boolean;
}

/**
 * Everything that is written was verified against the signed index, and the finished file is checked as a whole, hash area included,
 * before it gets its name. A run that ends early leaves `.NAME.pull` beside the output, and the next one goes on from there.
 *
 * Memory: about 250 bytes for each chunk of the image and its seeds, over some 160 MiB, of which the threads of the final check have most.
 *
 * @param location a URL or path of the image
 * @param output the file to write; replaced when the new one is whole
 * @throws what openImage throws, before anything is written; FETCH_LIMIT_EXCEEDED; CHUNK_DIGEST_MISMATCH when the origin is damaged;
 *   NO_SPACE, IO_FAILED; what checkContainer throws; the signal's reason
 */
export async function pullImage(location: string, output: string, options: PullOptions): Promise<PullReport> {
  const shelf = new DigestShelf();
  const seeds: Seed[] = [];
  try {
    for (const path of options.seeds ?? []) seeds.push(await Seed.open(path, shelf, options));
    const former = await openFormer(output, shelf, options);
    if (former !== undefined) seeds.push(former);
    await using image = await openImage(location, { ...options, pages: shelf });
    return await new Pull(location, image, await ChunkTable.read(image, options), seeds, output, options).run();
  } finally {
    for (const seed of seeds) await seed.close();
  }
}

/** What stands in the output's place is often the version before. */
async function openFormer(output: string, shelf: DigestShelf, options: PullOptions): Promise<Seed | undefined> {
  try {
    return existsSync(output) ? await Seed.open(output, shelf, options) : undefined;
  } catch (error) {
    if (hasCode(error)) return undefined; // anything else will be replaced
    throw error;
  }
}

class Pull {
  private readonly decoder: ChunkDecoder;
  private readonly usable: readonly Seed[];
  private cost: PullCost | undefined;
  private written = 0;
  /** Still allowed to be fetched. */
  private allowance: number;

  constructor(private readonly location: string, private readonly image: Image, private readonly table: ChunkTable, private readonly seeds: readonly Seed[], private readonly output: string, private readonly options: PullOptions) {
    const { index, verity } = image.manifest;
    this.decoder = new ChunkDecoder(openCodec(), index.chunkSize, parseHex(verity.salt, 'manifest.verity.salt'));
    this.usable = seeds.filter((seed) => seed.hasFramesOf(image.manifest));
    this.allowance = options.maxBytes ?? Infinity;
  }

  async run(): Promise<PullReport> {
    const { image, options } = this;
    const plan = planPull(this.table, this.usable, this.findKept(), this.canMake());
    const chunks = this.costOf(plan);
    const patch = options.patches === false || chunks.fetch < PATCH_WORTH ? undefined : await PublishedPatch.find(this.location, image, this.seeds, this.output, options);
    try {
      const missing = patch === undefined ? Infinity : patch.size - patch.kept;
      const usesPatch = patch !== undefined && missing < chunks.fetch && (this.announce(withPatch(chunks, patch)), options.dryRun === true || await this.applied(patch));
      if (!usesPatch) this.announce(chunks);
      if (!usesPatch && options.dryRun !== true) await this.write(plan);
    } finally {
      await patch?.close();
    }
    return {
      output: this.output, manifest: image.manifest, signedBy: image.trust.signedBy, cost: this.cost!, fetched: image.statistics.bytesFetched + (patch?.bytesFetched ?? 0),
      complete: options.dryRun !== true,
    };
  }

  private announce(cost: PullCost): void {
    this.cost = cost;
    this.options.onPlan?.(cost);
    this.spend(cost.fetch);
  }

  /** @returns whether the patch has made the image; if not, it never will */
  private async applied(patch: PublishedPatch): Promise<boolean> {
    const { trust, signal, onProgress } = this.options;
    try {
      await patch.apply({ trust, signal, onProgress });
      rmSync(ResumableFile.temporaryPathOf(this.output), { force: true }); // what chunks of it were here
      return true;
    } catch (error) {
      if (isUseless(error)) return false;
      throw this.resumable(error);
    }
  }

  /** @returns whether a frame is in its place already */
  private findKept(): (number: number) => boolean {
    if (!existsSync(ResumableFile.temporaryPathOf(this.output))) return () => false;
    const file = ResumableFile.open(this.output);
    try {
      if (!this.continues(file)) return () => false;
      const kept = findKept(this.table, file, (number, frame) => this.isFrame(number, frame));
      return (number) => kept.has(number);
    } finally {
      file.close();
    }
  }

  /** The frames of another image may decode to the same chunks, but are not those of this one. */
  private continues(file: ResumableFile): boolean {
    try {
      const { manifest, headSize, indexOffset } = decodeHead(file.read(0, HEAD_MAX_SIZE));
      const { head } = this.image;
      return headSize === head.headSize && indexOffset === head.indexOffset && Buffer.compare(manifest, head.manifest) === 0;
    } catch (error) {
      if (hasCode(error)) return false;
      throw error;
    }
  }

  /** @returns whether a chunk lies in the hash area as a whole, and the frame that is made of it here will be the published one */
  private canMake(): (number: number) => boolean {
    const { codec, verity, index } = this.image.manifest;
    const same = openCodec().implementation === codec.implementation;
    return (number) => same && number * index.chunkSize >= verity.hashOffset;
  }

  private costOf({ kept, seeded, repeated, made, runs }: PullPlan): PullCost {
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + this.table.frameSize(number), 0);
    return {
      fileSize: this.image.fileSize, fetch: sizeOfRuns(runs), requests: runs.length, opened: this.image.statistics.bytesFetched,
      seeded: sum(seeded.map(({ number }) => number)), kept: sum(kept), repeated: sum(repeated.map(({ number }) => number)), made: sum(made),
      foreignSeeds: this.seeds.filter((seed) => !this.usable.includes(seed)).map(({ location }) => location),
    };
  }

  private spend(bytes: number): void {
    this.allowance -= bytes;
    if (this.allowance >= 0) return;
    const limit = this.options.maxBytes!;
    throw new ThawfsError('FETCH_LIMIT_EXCEEDED', `${formatSize(limit - this.allowance)} would have to be fetched, at most ${formatSize(limit)} are allowed`, {
      detail: { needed: limit - this.allowance, limit }, suggestion: 'Allow more (--max-bytes), or name an older version of the image (--seed).',
    });
  }

  private async write(plan: PullPlan): Promise<void> {
    const { image, options: { signal } } = this;
    const file = ResumableFile.open(this.output);
    try {
      if (!this.continues(file)) ftruncateSync(file.fd, 0);
      file.write(image.headBytes, 0);
      const damaged: number[] = [];
      for (const { number, seed } of plan.seeded) {
        signal?.throwIfAborted();
        const frame = await seed.read(this.table.key(number), { signal });
        if (this.isFrame(number, frame)) this.keep(file, number, frame, 'copy');
        else damaged.push(number);
      }
      const again = runsOf(this.table, damaged);
      this.spend(sizeOfRuns(again));
      await this.fetch(file, [...plan.runs, ...again]);
      for (const { number, original } of plan.repeated) {
        signal?.throwIfAborted();
        const { frameOffset, frameSize } = this.table.place(original);
        this.keep(file, number, file.read(frameOffset, frameSize), 'copy');
      }
      await this.makeHashFrames(file, plan.made);
      this.writeTail(file);
      await this.check(file);
      file.commit();
    } catch (error) {
      throw this.resumable(error);
    } finally {
      file.close();
    }
  }

  /** The hash tree does not compress and changes with every block, so computing it saves 0.8 % of the raw image. What comes out otherwise is fetched. */
  private async makeHashFrames(file: ResumableFile, numbers: readonly number[]): Promise<void> {
    if (numbers.length === 0) return;
    const { verity, uuid, index: { chunkSize }, codec: { level } } = this.image.manifest;
    const salt = parseHex(verity.salt, 'manifest.verity.salt');
    const leaves = new LeafStore(salt);
    const digests = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
    for (let number = 0; number * chunkSize < verity.hashOffset; number++) {
      this.options.signal?.throwIfAborted();
      const place = this.table.place(number);
      const raw = this.decoder.decode(place, file.read(place.frameOffset, place.frameSize)).subarray(0, verity.hashOffset - number * chunkSize);
      leaves.add(digests.subarray(0, hashLeaves(raw, salt, digests)));
    }
    const area = wholeContent(buildHashArea({ leaves, salt, uuid: parseUuid(uuid, 'manifest.uuid') }).content);
    const codec = openCodec();
    const frame = new Uint8Array(codec.bound(chunkSize));
    const different: number[] = [];
    for (const number of numbers) {
      const from = number * chunkSize - verity.hashOffset;
      const made = frame.subarray(0, codec.compress(area.subarray(from, from + chunkSize), frame, level));
      if (this.isFrame(number, made)) this.keep(file, number, made, 'copy');
      else different.push(number);
    }
    const runs = runsOf(this.table, different);
    this.spend(sizeOfRuns(runs));
    await this.fetch(file, runs);
  }

  private async fetch(file: ResumableFile, runs: readonly FrameRun[]): Promise<void> {
    const slots = new Slots(PARALLEL);
    const stop = new AbortController();
    const forward = (): void => { stop.abort(this.options.signal?.reason); };
    this.options.signal?.addEventListener('abort', forward, { once: true });
    if (this.options.signal?.aborted === true) forward();
    try {
      await Promise.all(runs.map((run) => slots.run(() => this.fetchRun(file, run, stop.signal), stop.signal)));
    } finally {
      this.options.signal?.removeEventListener('abort', forward);
      stop.abort(); // the others, when one has failed
    }
  }

  private async fetchRun(file: ResumableFile, { offset, length, chunks }: FrameRun, signal: AbortSignal): Promise<void> {
    const bytes = await this.image.readFile(offset, length, { signal });
    for (const chunk of chunks) {
      let frame = bytes.subarray(chunk.frameOffset - offset, chunk.frameOffset - offset + chunk.frameSize);
      if (!this.isFrame(chunk.number, frame)) {
        this.spend(chunk.frameSize);
        frame = await this.image.readFile(chunk.frameOffset, chunk.frameSize, { signal }); // damaged on the way, perhaps
        this.decoder.decode(chunk, frame);
      }
      signal.throwIfAborted(); // the file may be closed
      this.keep(file, chunk.number, frame, 'fetch');
    }
  }

  private isFrame(number: number, frame: Uint8Array): boolean {
    const place = this.table.place(number);
    if (frame.length !== place.frameSize) return false;
    try {
      this.decoder.decode(place, frame);
      return true;
    } catch (error) {
      if (hasCode(error, 'CHUNK_DIGEST_MISMATCH')) return false;
      throw error;
    }
  }

  private keep(file: ResumableFile, number: number, frame: Uint8Array, stage: 'copy' | 'fetch'): void {
    file.write(frame, this.table.place(number).frameOffset);
    this.written += frame.length;
    const { fileSize, kept } = this.cost!;
    this.options.onProgress?.(stage, kept + this.written, fileSize);
  }

  /** Index and seek table follow from the entries of the index, which are here and verified. */
  private writeTail(file: ResumableFile): void {
    const { head: { headSize, indexOffset }, manifest: { raw, index: { chunkSize } } } = this.image;
    const writer = new IndexWriter();
    for (let number = 0; number < this.table.count; number++) {
      const { frameSize, id } = this.table.place(number);
      writer.add(frameSize, id, 0);
    }
    const index = skippableFrame(INDEX_FRAME_MAGIC, writer.finish().pages);
    const seekTable = seekTableFrame({ headSize, frameSizes: this.table.frameSizes(), rawSize: raw.size, chunkSize, indexSize: index.length });
    file.write(index, indexOffset);
    file.write(seekTable, indexOffset + index.length);
    ftruncateSync(file.fd, indexOffset + index.length + seekTable.length);
  }

  private async check(file: ResumableFile): Promise<void> {
    const { signal, jobs = availableParallelism(), onProgress, trust } = this.options;
    await using written = await openImage(file.temporaryPath, { trust, ...(signal === undefined ? {} : { signal }) });
    const { verity, index: { chunkSize }, codec: { level } } = written.manifest;
    const pool = createPool({ chunkSize, level, salt: parseHex(verity.salt, 'manifest.verity.salt'), jobs, signal });
    try {
      await checkContainer(written, { path: file.temporaryPath, pool }, { signal, onProgress: (done, total) => { onProgress?.('check', done, total); } });
    } finally {
      await pool.close();
    }
  }

  /** Says so where running again helps. */
  private resumable(error: unknown): unknown {
    if (!hasCode(error, 'SOURCE_UNREACHABLE', 'TIMEOUT', 'HTTP_STATUS', 'NO_SPACE')) return error;
    const { code, message, detail, cause } = error;
    return new ThawfsError(code, message, { detail, cause, suggestion: 'Run the same command again: what has been fetched is kept, and it goes on from there.' });
  }
}

/** The cost when a patch is fetched instead of chunks. */
function withPatch(chunks: PullCost, { location, size, from, kept, requests, bytesFetched }: PublishedPatch): PullCost {
  return {
    ...chunks, fetch: size - kept, requests, opened: chunks.opened + bytesFetched, seeded: 0, kept: 0, repeated: 0, made: 0,
    patch: { location, size, from, instead: chunks.fetch },
  };
}
