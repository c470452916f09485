/** `build --base`: an image that continues an older one, what a host with that one fetches, and on request the patch that makes it less. */
import { hasCode, ThawfsError } from '../errors.js';
import type { BaseSource } from '../image/base.js';
import { buildImage, type BuildOptions, type BuildReport, type BuildStage } from '../image/build.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import { ChunkTable } from './chunk-table.js';
import { downloadSize, lackedChunks } from './download-cost.js';
import { makePatchBetween, PATCH_CACHE_SIZE, type MakePatchReport } from './make-patch.js';
import { patchBeside } from './published-patch.js';

export interface ReleaseOptions extends Omit<BuildOptions, 'base' | 'onProgress'> {
  readonly base: BaseSource;
  /** Make the patch from the base too, under the name by which `pull` finds it, at the default level; default false. */
  readonly publish?: boolean;
  /** Of the patch: raw bytes of the image considered so far. */
  readonly onProgress?: (stage: BuildStage | 'diff', done: number, total: number) => void;
}

export interface ReleaseReport extends BuildReport {
  /** What a host with the base fetches. */
  readonly update: {
    /** Bytes of the chunks that it lacks. */
    readonly chunks: number;
    /** The patch that it fetches instead; absent unless it was asked for. */
    readonly patch?: MakePatchReport;
  };
}

/**
 * The base stays open meanwhile, so that a local one may have the very name that is written.
 *
 * @returns when the image, and the patch if any, have their names
 * @throws as buildImage; as makePatch, with a message that says that the image is complete: it stays
 */
export async function buildRelease({ publish = false, ...options }: ReleaseOptions): Promise<ReleaseReport> {
  const { base, output, signal } = options;
  await using old = await openImage(base.location, { trust: base.trust, signal });
  const had = await ChunkTable.read(old, { signal }); // before, for its origin may be out of reach afterwards
  const report = await buildImage({ ...options, base: { ...base, image: old } });
  await using now = await openImage(output, { cacheBytes: PATCH_CACHE_SIZE, trust: { keys: [], allowUnsigned: true, now: 0 }, signal }); // made here
  const table = await ChunkTable.read(now, { signal });
  const chunks = downloadSize(table, lackedChunks(had, table, now.manifest.verity.hashOffset));
  return { ...report, update: { chunks, ...(publish ? { patch: await makePatchBeside(output, old, now, options) } : {}) } };
}

async function makePatchBeside(output: string, old: Image, now: Image, { signal, onProgress }: ReleaseOptions): Promise<MakePatchReport> {
  try {
    return await makePatchBetween(old, now, patchBeside(output, old.manifest.verity.rootHash), { signal, onProgress: (done, total) => onProgress?.('diff', done, total) });
  } catch (error) {
    if (!hasCode(error)) throw error;
    throw new ThawfsError(error.code, `${output} is complete, the patch to it is not: ${error.message}`, {
      detail: { ...error.detail, image: output }, suggestion: `Make the patch alone: thawfs diff ${old.location} ${output} --publish.`, cause: error,
    });
  }
}
