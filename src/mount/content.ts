/** What a server serves, behind one interface, whatever it is made of. */
import { fstatSync, openSync, readSync } from 'node:fs';
import type { RandomAccess } from '../bytes/random-access.js';
import { fromErrno, ThawfsError } from '../errors.js';
import type { FileSystem } from '../fuse/file-system.js';
import { SingleFile, type FileBytes } from '../fuse/single-file.js';
import { decodeChunkList } from '../format/chunk-list.js';
import { hastenMetadata } from '../image/hasten-metadata.js';
import { LazyImage } from '../image/lazy-image.js';
import { prefetchProfile } from '../image/profile/prefetch.js';
import { readProfile, Recording } from '../image/profile/recording.js';
import { DiskStore } from '../store/disk-store.js';
import { MiB } from '../units.js';
import { Completion } from './completion.js';
import { OriginFailures } from './origin-failures.js';
import { IMAGE_FILE, type Backend, type ImagePlan, type MountPlan } from './plan.js';
import { TreeFileSystem } from './tree.js';

/** Bytes of decoded chunks in memory. Little: what the kernel caches need not be here, and a small process dies quickly. */
const MEMORY_SIZE = 8 * MiB;

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
  /** Facts for people and programs. */
  status(): Readonly<Record<string, unknown>>;
}

type ImageBytes = RandomAccess & FileBytes;

/** What the session thread tells the main thread, which knows what to make of it. */
export interface Observer {
  /** Told of every chunk that is taken from the disk. */
  onTouch(chunk: number): void;
  /** Told of every part of the raw image that is read for the first time. */
  onRead(offset: number, length: number): void;
}

/**
 * The main thread of a server opens it to fetch, its session thread opens it again to read what is here.
 *
 * @param counters where this thread counts
 * @param observer of the session thread
 * @throws what opening throws: PATH_MISSING, NOT_PERMITTED, STRUCTURE_INVALID …
 */
export async function openContent(plan: MountPlan, counters: Float64Array, observer?: Observer): Promise<Content> {
  const { content, backend, squash } = plan;
  const { bytes, ...rest } = content.kind === 'raw' ? openRaw(content.path) : await openLazy(content, backend, counters, observer);
  const fileSystem = backend === 'tree' ? new TreeFileSystem(bytes, squash ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } : undefined) : new SingleFile(IMAGE_FILE, bytes);
  return { fileSystem, ...rest };
}

export interface OpenedBytes extends Omit<Content, 'fileSystem'> { readonly bytes: ImageBytes }

async function openLazy(plan: ImagePlan, backend: Backend, counters: Float64Array, observer: Observer | undefined): Promise<OpenedBytes> {
  const { locations, head, cache, cacheSize, offline, readTimeout, fill, fillRate, handover, record } = plan;
  const store = new DiskStore(cache, cacheSize);
  const failures = new OriginFailures();
  // A connection that hangs must be given up while those who wait for it still have time to try another.
  const sourceOptions = {
    idleTimeout: Math.min(20_000, Math.ceil(readTimeout / 3)), transferTimeout: Math.min(60_000, Math.ceil(readTimeout / 2)), onFailure: (failure: ThawfsError) => { failures.count(failure); },
  };
  const image = await LazyImage.open({
    head: Buffer.from(head, 'base64'), locations, cache: store, memorySize: MEMORY_SIZE, counters, readTimeout, offline, filling: fill, sourceOptions,
    ...(observer === undefined ? {} : { onTouch: (chunk) => { observer.onTouch(chunk); } }),
  });
  const completion = new Completion({ image, store, rate: fillRate, handover: handover && backend === 'block' });
  const recording = record === undefined ? undefined : new Recording(record, image.manifest.verity.rootHash, image);
  const note = (offset: number, length: number): void => {
    if (observer === undefined) recording?.add(offset, length);
    else observer.onRead(offset, length);
  };
  return {
    bytes: record === undefined ? image : noted(image, note), completion, touch: (chunk) => { image.touch(chunk); }, record: note,
    prefetch: () => { prefetch(image, plan).catch((error: unknown) => { console.error('prefetching:', error); }); }, // then it is fetched when it is read
    begin: () => { recording?.resume(); },
    finish: () => { recording?.save(); },
    fetch: (chunks, signal) => failures.within(readTimeout, signal, (either) => image.fetch(chunks, either)),
    status: () => ({
      name: image.manifest.name, sequence: image.manifest.sequence, rootHash: image.manifest.verity.rootHash, rawSize: image.size, chunkSize: image.chunkSize, chunkCount: image.chunkCount, cacheStatistics: store.statistics, completion: completion.status,
      rate: Math.round(image.scheduler.link.recent.bytesPerSecond),
      ...(recording === undefined ? {} : { recording: recording.status }), ...failures.status(image.statistics.refetched),
    }),
  };
}

/** The same bytes; whoever reads them is noted. */
function noted(bytes: ImageBytes, note: (offset: number, length: number) => void): ImageBytes {
  return {
    size: bytes.size,
    read: (offset, length) => {
      note(offset, length);
      return bytes.read(offset, length);
    },
    readInto: (target, offset) => {
      note(offset, target.length);
      bytes.readInto(target, offset);
    },
  };
}

async function prefetch(image: LazyImage, plan: ImagePlan): Promise<void> {
  image.hasten([0]); // the superblock: nothing can be read without it
  if (plan.prefetch === false) return;
  const embedded = plan.profile === undefined ? image.manifest.profile?.chunks : undefined;
  if (embedded !== undefined) image.hasten(decodeChunkList(embedded, image.chunkCount, 'manifest.profile.chunks'));
  if (plan.fill && !plan.offline) await hastenMetadata(image);
  // After the metadata, in which its paths have to be looked up.
  if (plan.profile !== undefined) await prefetchProfile(image, readProfile(plan.profile));
}

/** A plain ext4 file. @throws PATH_MISSING, NOT_PERMITTED */
export function openRaw(path: string): OpenedBytes {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
  const { size } = fstatSync(fd);
  const readInto = (target: Uint8Array, offset: number): void => {
    if (offset + target.length > size || readSync(fd, target, 0, target.length, offset) !== target.length) {
      throw new ThawfsError('TRUNCATED', `${path}: has fewer than ${offset + target.length} bytes`, { detail: { path, offset, length: target.length } });
    }
  };
  const bytes: ImageBytes = {
    size, readInto,
    read: (offset, length) => {
      const target = Buffer.allocUnsafeSlow(length);
      readInto(target, offset);
      return target;
    },
  };
  const nothing = (): void => undefined;
  return { bytes, fetch: () => Promise.resolve(), touch: nothing, record: nothing, prefetch: nothing, begin: nothing, finish: nothing, status: () => ({ rawSize: size }) };
}

