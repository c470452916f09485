/** Fetching a whole image into the chunk store, without a mount. */
import { ThawfsError } from '../errors.js';
import type { SourceOptions } from '../source/open-source.js';
import { DiskStore, DEFAULT_DISK_BUDGET } from '../store/disk-store.js';
import type { TrustPolicy } from '../trust/policy.js';
import { decodeHead } from '../chunk/head.js';
import { MiB } from '../units.js';
import { residenceOf } from './cached-images.js';
import { fillImage } from './fill.js';
import { keepFirstChunks } from './first-chunks.js';
import { LazyImage } from './lazy-image.js';
import { addCost } from './lazy-statistics.js';
import { openHeadToFetch } from './trusted-head.js';

export interface FillCacheOptions {
  readonly trust: TrustPolicy;
  /** Folder of the chunk store. */
  readonly cache: string;
  /** Bytes that the store may take; default 4 GiB. */
  readonly cacheSize?: number;
  /** Never evict what belongs to the image, until `unpinImage`; default false. */
  readonly pin?: boolean;
  /** Other places of the same image. */
  readonly mirrors?: readonly string[];
  /** Bytes per second; default unlimited. */
  readonly rate?: number;
  /** Milliseconds to wait for an origin that does not answer; default 60,000. */
  readonly readTimeout?: number;
  /** Bytes of the raw image that are here, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly sourceOptions?: SourceOptions;
  readonly signal?: AbortSignal;
}

export interface FillCacheReport {
  readonly name: string;
  readonly rootHash: string;
  readonly chunks: number;
  /** Chunks and bytes that were not here yet. */
  readonly fetched: number;
  readonly bytesFetched: number;
  readonly requests: number;
  readonly pinned: boolean;
}

/**
 * Fetches what is not here yet; an interrupted run is gone on from by the next. Afterwards the image mounts with `offline`, without its origin.
 *
 * @param location http(s) URL; of a local file nothing needs to be fetched
 * @throws NO_SPACE when the store is too small to hold all of it; what opening, trusting and fetching throw
 */
export async function fillCache(location: string, options: FillCacheOptions): Promise<FillCacheReport> {
  const { trust, cache, cacheSize = DEFAULT_DISK_BUDGET, pin = false, mirrors = [], rate, readTimeout = 60_000, onProgress, signal, sourceOptions = {} } = options;
  const locations = [location, ...mirrors];
  const store = new DiskStore(cache, cacheSize);
  try {
    // The connection that brought the head goes on: another one would take its time to begin.
    const { bytes, manifest, opened, link, cost } = await openHeadToFetch(locations, { trust, cache, sourceOptions: { ...sourceOptions, signal } });
    const image = await LazyImage.open({ head: bytes, locations, cache: store, memorySize: MiB, readTimeout, unattended: true, sourceOptions, opened: opened && { ...opened, link } });
    const { chunkSize } = image;
    try {
      const kept = opened === undefined ? 0 : keepFirstChunks(bytes, opened, store, { signal }).catch(() => {
        signal?.throwIfAborted();
        return 0; // They are fetched like others.
      });
      image.hastenIndex();
      cost.fetched = await kept;
      await fillImage(image, {
        rate, signal,
        onProgress: (done, total) => { onProgress?.(Math.min(done * chunkSize, image.size), Math.min(total * chunkSize, image.size)); },
      });
    } finally {
      await image.close();
    }
    const { rootHash } = manifest.verity;
    const remembered = { head: decodeHead(bytes), manifest };
    if (pin) store.pin(rootHash, residenceOf(remembered, store).ids);
    // Looked at after pinning: from then on nobody takes any of it away.
    const { localChunks, chunkCount } = residenceOf(remembered, store);
    if (localChunks < chunkCount) {
      if (pin) store.unpin(rootHash);
      throw new ThawfsError('NO_SPACE', `${cache}: holds ${localChunks} of ${chunkCount} chunks, no more find room`, {
        detail: { cache, localChunks, chunkCount, used: store.used, budget: cacheSize, ...(store.statistics.lastFailure === undefined ? {} : { lastFailure: store.statistics.lastFailure }) },
        suggestion: 'Raise --cache-size, or free disk space.',
      });
    }
    const { fetched, bytesFetched, requests } = addCost(image.statistics, cost);
    return { name: manifest.name, rootHash, chunks: chunkCount, fetched, bytesFetched, requests, pinned: pin };
  } finally {
    store.close();
  }
}
