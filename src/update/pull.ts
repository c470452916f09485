/** `pull`: downloads an image, taking what is on this machine already from older images and from a run that was interrupted. */
import { existsSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { checkContainer } from '../image/check-container.js';
import type { Image } from '../image/image.js';
import { openImage, type OpenOptions } from '../image/open.js';
import { createPool, packingOf } from '../image/pack.js';
import type { FrameRun } from '../store/remote-store.js';
import { MiB } from '../units.js';
import { hasOnlyChunks, openChunkSeed, RecodedSeed } from './chunk-seeds.js';
import { ChunkTable } from './chunk-table.js';
import { fetchFrames } from './fetch-frames.js';
import { FrameCheck } from './frame-check.js';
import { firstHashChunk, makeHashFrames } from './hash-frames.js';
import { DigestShelf } from './page-shelf.js';
import { PartialImage } from './partial-image.js';
import { isUseless, PublishedPatch } from './published-patch.js';
import { Allowance, costWithPatch, type PullCost } from './pull-cost.js';
import { planPull, runsOf, sizeOfRuns, type PullPlan } from './pull-plan.js';
import { PullProgress, type PullStage } from './pull-progress.js';
import { ResumableFile } from './resumable-file.js';
import { ImageSeed, type Seed } from './seed.js';

/** Fetching less than this is not worth looking for a patch. */
const PATCH_WORTH = MiB;

export interface PullOptions extends Omit<OpenOptions, 'cacheBytes' | 'pages'> {
  /**
   * Older images on this machine, raw images in files or on devices, and folders of chunk caches; an image that `output` already is counts as one.
   * Of what is no image file chunks serve where this machine has the zstd of the image. Default none.
   */
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
  /** Each stage ends at its total; the stages of an update can take turns. */
  readonly onProgress?: (stage: PullStage, done: number, total: number) => void;
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
  const images: ImageSeed[] = [];
  const others: Seed[] = [];
  try {
    const paths = options.seeds ?? [];
    const holders = new Set(paths.filter((path) => hasOnlyChunks(path)));
    for (const path of paths) if (!holders.has(path)) images.push(await ImageSeed.open(path, shelf, options));
    const former = await openFormer(output, shelf, options);
    if (former !== undefined) images.push(former);
    await using image = await openImage(location, { ...options, pages: shelf });
    const table = await ChunkTable.read(image, options);
    const { manifest } = image;
    for (const path of paths) if (holders.has(path)) others.push(await openChunkSeed(path, { manifest, table }, options));
    // First those of which frames need only be copied.
    const same = images.filter((seed) => seed.hasFramesOf(manifest));
    const recoded = images.filter((seed) => !same.includes(seed)).map((seed) => new RecodedSeed(seed, image));
    const seeds = [...same, ...recoded, ...others];
    return await new Pull(location, image, table, seeds, output, options).run();
  } finally {
    for (const seed of [...images, ...others]) await seed.close();
  }
}

/** What stands in the output's place is often the version before. */
async function openFormer(output: string, shelf: DigestShelf, options: PullOptions): Promise<ImageSeed | undefined> {
  try {
    return existsSync(output) ? await ImageSeed.open(output, shelf, options) : undefined;
  } catch (error) {
    if (hasCode(error)) return undefined; // anything else will be replaced
    throw error;
  }
}

class Pull {
  private readonly check: FrameCheck;
  private readonly usable: readonly Seed[];
  private readonly allowance: Allowance;
  private cost: PullCost | undefined;

  constructor(private readonly location: string, private readonly image: Image, private readonly table: ChunkTable, private readonly seeds: readonly Seed[], private readonly output: string, private readonly options: PullOptions) {
    this.check = new FrameCheck(table, image.manifest);
    this.usable = seeds.filter((seed) => seed.hasFramesOf(image.manifest));
    this.allowance = new Allowance(options.maxBytes);
  }

  async run(): Promise<PullReport> {
    const { image, options } = this;
    const plan = planPull(this.table, this.usable, this.findKept(), this.canMake());
    const chunks = this.costOf(plan);
    const patch = options.patches === false || chunks.fetch < PATCH_WORTH ? undefined : await PublishedPatch.find(this.location, image, this.seeds, this.output, options);
    try {
      const missing = patch === undefined ? Infinity : patch.size - patch.kept;
      const usesPatch = patch !== undefined && missing < chunks.fetch && (this.announce(costWithPatch(chunks, patch)), options.dryRun === true || await this.applied(patch));
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
    this.allowance.spend(cost.fetch);
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
      throw resumable(error);
    }
  }

  /** @returns whether a frame is in its place already */
  private findKept(): (number: number) => boolean {
    if (!existsSync(ResumableFile.temporaryPathOf(this.output))) return () => false;
    const kept = PartialImage.findKept(this.output, this.image, this.table, this.check);
    return (number) => kept.has(number);
  }

  /** @returns whether a chunk lies in the hash area as a whole, and the frame that is made of it here will be the published one */
  private canMake(): (number: number) => boolean {
    const { manifest } = this.image;
    const same = openCodec().implementation === manifest.codec.implementation;
    return (number) => same && number >= firstHashChunk(manifest);
  }

  private costOf({ kept, seeded, repeated, made, runs }: PullPlan): PullCost {
    return {
      fileSize: this.image.fileSize, fetch: sizeOfRuns(runs), requests: runs.length, opened: this.image.statistics.bytesFetched,
      seeded: this.sizeOf(seeded.map(({ number }) => number)), kept: this.sizeOf(kept), repeated: this.sizeOf(repeated.map(({ number }) => number)), made: this.sizeOf(made),
      foreignSeeds: this.seeds.filter((seed) => !this.usable.includes(seed)).map(({ location }) => location),
    };
  }

  private async write(plan: PullPlan): Promise<void> {
    const { image, table, check, allowance, options: { signal } } = this;
    try {
      const file = PartialImage.open(this.output, image, table);
      try {
        const progress = this.startProgress(plan);
        const keepAs = (stage: 'copy' | 'fetch') => (number: number, frame: Uint8Array): void => {
          file.keep(number, frame);
          progress.add(stage, frame.length);
        };
        const fetching = { check, allowance, signal, keep: keepAs('fetch') };
        /** What could not be made here. */
        const instead = (chunks: readonly number[]): FrameRun[] => {
          const size = this.sizeOf(chunks);
          progress.expect('fetch', size);
          if (size > 0) progress.add('copy', size);
          const runs = runsOf(table, chunks);
          allowance.spend(sizeOfRuns(runs));
          return runs;
        };
        const again = instead(await this.copySeeded(plan, keepAs('copy')));
        await fetchFrames(image, [...plan.runs, ...again], fetching);
        for (const { number, original } of plan.repeated) {
          signal?.throwIfAborted();
          file.repeat(number, original);
          progress.add('copy', table.frameSize(number));
        }
        if (plan.made.length > 0) {
          const others = instead(makeHashFrames(file, plan.made, { table, check, manifest: image.manifest, keep: keepAs('copy'), signal }));
          await fetchFrames(image, others, fetching);
        }
        file.writeTail();
        await this.checkWhole(file.path);
        file.commit();
      } finally {
        file.close();
      }
    } catch (error) {
      throw resumable(error);
    }
  }

  /** @returns chunks whose frames in the seeds are damaged */
  private async copySeeded({ seeded }: PullPlan, keep: (number: number, frame: Uint8Array) => void): Promise<number[]> {
    const { signal } = this.options;
    const damaged: number[] = [];
    for (const { number, seed } of seeded) {
      signal?.throwIfAborted();
      const frame = await seed.read(this.table.place(number), { signal });
      if (frame !== undefined && this.check.passes(number, frame)) keep(number, frame);
      else damaged.push(number);
    }
    return damaged;
  }

  private startProgress(plan: PullPlan): PullProgress {
    const { seeded, repeated, made, kept } = this.costOf(plan);
    const progress = new PullProgress(this.options.onProgress);
    progress.expect('copy', seeded + repeated + made);
    progress.expect('fetch', kept + this.sizeOf(plan.runs.flatMap(({ chunks }) => chunks.map(({ number }) => number))), kept);
    return progress;
  }

  private sizeOf(chunks: readonly number[]): number {
    return chunks.reduce((total, number) => total + this.table.frameSize(number), 0);
  }

  private async checkWhole(path: string): Promise<void> {
    const { signal, jobs = availableParallelism(), onProgress, trust } = this.options;
    await using written = await openImage(path, { trust, ...(signal === undefined ? {} : { signal }) });
    const pool = createPool({ ...packingOf(written.manifest), jobs, signal });
    try {
      await checkContainer(written, { path, pool }, { signal, onProgress: (done, total) => { onProgress?.('check', done, total); } });
    } finally {
      await pool.close();
    }
  }
}

/** Says so where running again helps. */
function resumable(error: unknown): unknown {
  if (!hasCode(error, 'SOURCE_UNREACHABLE', 'TIMEOUT', 'HTTP_STATUS', 'NO_SPACE')) return error;
  const { code, message, detail, cause } = error;
  return new ThawfsError(code, message, { detail, cause, suggestion: 'Run the same command again: what has been fetched is kept, and it goes on from there.' });
}
