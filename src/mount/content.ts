/** What a server serves, with what is not here fetched: the main thread's half, behind one interface whatever it is made of. */
import type { ThawfsError } from '../errors.js';
import type { FileSystem } from '../fuse/file-system.js';
import { decodeChunkList } from '../format/chunk-list.js';
import { hastenMetadata } from '../image/hasten-metadata.js';
import { LazyImage } from '../image/lazy-image.js';
import { localMetadataSize } from '../image/local-metadata.js';
import { prefetchProfile } from '../image/profile/prefetch.js';
import { readProfile, Recording } from '../image/profile/recording.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { Completion } from './completion.js';
import { fileSystemOver, localOptions, noted, type ImageBytes } from './local-content.js';
import { OriginFailures } from './origin-failures.js';
import type { ImagePlan, MountPlan } from './plan.js';

export interface Content {
  readonly fileSystem: FileSystem;
  /** Resolves when these chunks can be read from {@link Content.fileSystem}. */
  fetch(chunks: readonly number[], signal: AbortSignal): Promise<void>;
  /** A reader of the session thread took this chunk from the disk. */
  touch(chunk: number): void;
  /** A reader of the session thread wanted these bytes of the raw image, and no one before it. */
  record(offset: number, length: number): void;
  /** Sends for what every start reads, and for what the profile names. */
  prefetch(): void;
  /** This process serves from now on: goes on with what its predecessor recorded. */
  begin(): void;
  /** The mount has ended: writes what is not written yet. */
  finish(): void;
  /** Absent where there is nothing to complete. */
  readonly completion?: Completion;
  /** As {@link localMetadataSize}. */
  localMetadataSize(): number;
  /** Facts for people and programs. */
  status(): Readonly<Record<string, unknown>>;
}

/**
 * @param counters where this thread counts
 * @throws what opening throws: PATH_MISSING, NOT_PERMITTED, STRUCTURE_INVALID …
 */
export async function openContent(plan: MountPlan, counters: Float64Array): Promise<Content> {
  const { bytes, ...rest } = plan.content.kind === 'raw' ? openFile(plan.content.path) : await openLazy(plan, plan.content, counters);
  return { fileSystem: await fileSystemOver(plan, bytes), ...rest };
}

interface OpenedBytes extends Omit<Content, 'fileSystem'> { readonly bytes: ImageBytes }

async function openLazy({ backend }: MountPlan, plan: ImagePlan, counters: Float64Array): Promise<OpenedBytes> {
  const { offline, readTimeout, fill, fillRate, handover, record, origin } = plan;
  const failures = new OriginFailures();
  // A connection that hangs must be given up while those who wait for it still have time to try another.
  const sourceOptions = {
    idleTimeout: Math.min(20_000, Math.ceil(readTimeout / 3)), transferTimeout: Math.min(60_000, Math.ceil(readTimeout / 2)), onFailure: (failure: ThawfsError) => { failures.count(failure); },
  };
  const local = localOptions(plan);
  const image = await LazyImage.open({ ...local, counters, readTimeout, offline, filling: fill, sourceOptions, known: origin });
  const completion = new Completion({ image, store: local.cache, rate: fillRate, handover: handover && backend === 'block' });
  const recording = record === undefined ? undefined : new Recording(record, image.manifest.verity.rootHash, image);
  const note = (offset: number, length: number): void => { recording?.add(offset, length); };
  return {
    bytes: record === undefined ? image : noted(image, note), completion, touch: (chunk) => { image.touch(chunk); }, record: note,
    prefetch: () => { prefetch(image, plan).catch((error: unknown) => { console.error('prefetching:', error); }); }, // then it is fetched when it is read
    begin: () => { recording?.resume(); },
    finish: () => { recording?.save(); },
    localMetadataSize: () => localMetadataSize(image),
    fetch: (chunks, signal) => failures.within(readTimeout, signal, (either) => image.fetch(chunks, either)),
    status: () => ({
      name: image.manifest.name, sequence: image.manifest.sequence, rootHash: image.manifest.verity.rootHash, rawSize: image.size, chunkSize: image.chunkSize, chunkCount: image.chunkCount, cacheStatistics: local.cache.statistics, completion: completion.status,
      rate: Math.round(image.scheduler.link.recent.bytesPerSecond),
      ...(recording === undefined ? {} : { recording: recording.status }), ...failures.status(image.statistics.refetched),
    }),
  };
}

async function prefetch(image: LazyImage, plan: ImagePlan): Promise<void> {
  image.connect();
  image.hasten([0]); // the superblock: nothing can be read without it
  if (plan.prefetch === false) return;
  const embedded = plan.profile === undefined ? image.manifest.profile?.chunks : undefined;
  if (embedded !== undefined) image.expect(decodeChunkList(embedded, image.chunkCount, 'manifest.profile.chunks'));
  if (plan.fill && !plan.offline) await hastenMetadata(image);
  // After the metadata, in which its paths have to be looked up.
  if (plan.profile !== undefined) await prefetchProfile(image, readProfile(plan.profile));
}

function openFile(path: string): OpenedBytes {
  const bytes = LocalBytes.open(path);
  const nothing = (): void => undefined;
  return { bytes, fetch: () => Promise.resolve(), touch: nothing, record: nothing, prefetch: nothing, begin: nothing, finish: nothing, localMetadataSize: () => 0, status: () => ({ rawSize: bytes.size }) };
}
