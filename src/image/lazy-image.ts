/**
 * An image that is read before it is here: synchronous reads of what is local (memory, the cache on disk, a local image
 * file), ChunkMissing for the rest, and a way to fetch that. Every byte handed out was checked, when it was fetched and
 * again when it was read back from the disk.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ChunkMissing, type RandomAccess } from '../bytes/random-access.js';
import { parseHex, toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { decodeHead } from '../chunk/head.js';
import { IndexReader, isPagePlace, type ChunkPlace, type PagePlace } from '../chunk/index-reader.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { sha256 } from '../hash/sha256.js';
import { openFileSource } from '../source/file.js';
import type { SourceOptions } from '../source/open-source.js';
import type { RangeSource } from '../source/range-source.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { DiskStore } from '../store/disk-store.js';
import { FailoverStore } from '../store/failover-store.js';
import { MemoryStore } from '../store/memory-store.js';
import { ignoreFailure } from '../store/departure.js';
import { RemoteStore } from '../store/remote-store.js';
import { SingleFlightStore } from '../store/single-flight.js';
import { requireInRaw } from './fault.js';
import { Origin } from './origin.js';
import { OriginStore } from './origin-store.js';
import { ReadAhead } from './read-ahead.js';

export interface LazyImageOptions {
  /** The head as it was trusted: nothing here asks again whose image it is. */
  readonly head: Uint8Array;
  /** Where the image can be had, best first; http(s) URLs or paths. */
  readonly locations: readonly string[];
  /** Chunks on disk; absent = memory only. */
  readonly cache?: DiskStore;
  /** Bytes of decoded chunks kept in memory. */
  readonly memorySize: number;
  /** Milliseconds for which a fetch waits for an origin that does not answer before it fails. */
  readonly readTimeout: number;
  /** Never ask an origin. */
  readonly offline?: boolean;
  readonly sourceOptions?: SourceOptions;
  /** Where the statistics are counted: memory that another thread may read; {@link STATISTICS_SIZE} numbers. */
  readonly counters?: Float64Array;
  /** Told of every chunk that comes from the disk into memory: how somebody else knows what is being read. */
  readonly onTouch?: (chunk: number) => void;
}

const statisticNames = ['memoryHits', 'diskHits', 'fetched', 'requests', 'bytesFetched', 'corruptLocal', 'refetched', 'retries'] as const;

export interface LazyStatistics {
  /** Chunks that came from memory, from disk, and over the network. */
  memoryHits: number;
  diskHits: number;
  fetched: number;
  requests: number;
  bytesFetched: number;
  /** Chunks found damaged on disk, and dropped. */
  corruptLocal: number;
  /** Chunks that were damaged on the way, and fetched again. */
  refetched: number;
  /** Times that no origin answered, and waiting went on. */
  retries: number;
}

/** Numbers that {@link LazyImageOptions.counters} has. */
export const STATISTICS_SIZE = statisticNames.length;

/** Wait between two attempts while no origin answers, milliseconds. */
const RETRY_INTERVAL = 500;

export class LazyImage implements RandomAccess {
  readonly size: number;
  readonly chunkSize: number;
  readonly chunkCount: number;
  readonly manifest: Manifest;
  readonly statistics: LazyStatistics;
  private readonly index: IndexReader;
  private readonly decoder: ChunkDecoder;
  private readonly memory: MemoryStore;
  private readonly origins: readonly Origin[];
  private readonly store: ChunkStore;
  /** A way of its own to the origins: what is fetched in advance never makes a reader queue. */
  private readonly background: ChunkStore;
  /** Fetches that readers wait for, and when the last began. */
  private demand = 0;
  private lastDemand = -Infinity;
  private readonly ahead: ReadAhead;
  private readonly pages = new Map<number, Promise<void>>();

  private constructor(private readonly options: LazyImageOptions, private readonly files: readonly Required<Pick<RangeSource, 'readSync'>>[]) {
    const head = decodeHead(options.head);
    this.manifest = decodeManifest(head.manifest);
    const { raw, index: { chunkSize, chunkCount, rootDigest }, verity } = this.manifest;
    if (toHex(sha256(head.rootPage)) !== rootDigest) throw new ThawfsError('INDEX_DIGEST_MISMATCH', 'root page of the chunk index: not the one that was signed');
    this.statistics = countersIn(options.counters ?? new Float64Array(STATISTICS_SIZE));
    this.size = raw.size;
    this.chunkSize = chunkSize;
    this.chunkCount = chunkCount;
    const codec = openCodec();
    this.decoder = new ChunkDecoder(codec, chunkSize, parseHex(verity.salt, 'manifest.verity.salt'));
    this.index = new IndexReader({
      chunkCount, chunkSize, rawSize: raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize: codec.bound(chunkSize),
    }, head.rootPage);
    const sourceOptions: SourceOptions = {
      ...options.sourceOptions,
      onRequest: (request) => {
        this.statistics.requests++;
        this.statistics.bytesFetched += request.bytesReceived;
      },
    };
    this.origins = options.locations.map((location) => new Origin(location, head, sourceOptions));
    const remotes = (): FailoverStore => new FailoverStore(this.origins.map((origin) => new OriginStore(origin, (source) => new RemoteStore(
      source, (place, frame) => this.decodeFetched(place, frame), () => { this.statistics.refetched++; },
    ))));
    this.store = new SingleFlightStore(remotes());
    this.background = remotes();
    this.memory = new MemoryStore(this.store, options.memorySize);
    this.ahead = new ReadAhead(chunkCount, (chunk) => this.isLocal(chunk), (chunks) => {
      if (options.offline !== true && options.cache !== undefined) ignoreFailure(this.prefetch(chunks));
    });
  }

  /** Opens what is local; no request is made. @throws what the head's decoders throw: it is not the head of an image */
  static async open(options: LazyImageOptions): Promise<LazyImage> {
    const files: Required<Pick<RangeSource, 'readSync'>>[] = [];
    for (const location of options.locations) {
      if (/^https?:/i.test(location)) continue;
      const opened = await openFileSource(location, 0).catch(() => undefined);
      if (opened?.source.readSync !== undefined) files.push(opened.source as Required<Pick<RangeSource, 'readSync'>>);
    }
    return new LazyImage(options, files);
  }

  /** As RandomAccess demands it. */
  read(offset: number, length: number): Uint8Array {
    const within = offset % this.chunkSize;
    if (within + length <= this.chunkSize && length > 0) {
      requireInRaw(this.size, offset, length);
      const chunk = this.find(Math.floor(offset / this.chunkSize));
      if (chunk === undefined) throw new ChunkMissing([Math.floor(offset / this.chunkSize)]);
      return chunk.subarray(within, within + length);
    }
    const target = Buffer.allocUnsafeSlow(length);
    this.readInto(target, offset);
    return target;
  }

  /**
   * Fills `target` with the bytes at `offset`.
   *
   * @throws ChunkMissing naming all chunks of the range that are not here; TRUNCATED
   */
  readInto(target: Uint8Array, offset: number): void {
    requireInRaw(this.size, offset, target.length);
    const { chunkSize } = this;
    const end = offset + target.length;
    const missing: number[] = [];
    for (let chunk = Math.floor(offset / chunkSize), start = chunk * chunkSize; start < end; chunk++, start += chunkSize) {
      const bytes = this.find(chunk);
      if (bytes === undefined) missing.push(chunk);
      else if (missing.length === 0) target.set(bytes.subarray(Math.max(0, offset - start), Math.min(bytes.length, end - start)), Math.max(0, start - offset));
    }
    if (missing.length > 0) throw new ChunkMissing(missing);
  }

  /** @returns a verified chunk that needs no waiting */
  find(chunk: number): Uint8Array | undefined {
    const found = this.memory.find(chunk);
    if (found !== undefined) {
      this.statistics.memoryHits++;
      return found;
    }
    const bytes = this.findOnDisk(chunk) ?? this.findInFiles(chunk);
    if (bytes !== undefined) {
      this.memory.keep(chunk, bytes);
      this.options.onTouch?.(chunk);
    }
    return bytes;
  }

  /** @returns whether the chunk's frame is on this machine; it may still turn out to be damaged */
  isLocal(chunk: number): boolean {
    if (this.files.length > 0) return true;
    const place = this.locateLocally(chunk);
    return place !== undefined && this.options.cache?.has(toHex(place.id)) === true;
  }

  /**
   * Makes chunks local.
   *
   * @param chunks ascending
   * @returns when {@link find} answers for all of them
   * @throws CHUNK_DIGEST_MISMATCH when no origin has the right bytes; SOURCE_CHANGED; else what the source threw last, after
   *   `readTimeout` without success
   */
  async fetch(chunks: readonly number[], signal?: AbortSignal): Promise<void> {
    this.demand++;
    this.lastDemand = performance.now();
    for (const chunk of chunks) this.touch(chunk);
    try {
      await this.patiently(async () => {
        // Some may have come while this request waited its turn.
        const missing = chunks.filter((chunk) => this.find(chunk) === undefined);
        await Promise.all(this.memory.get(await this.locateAll(missing, signal), signal));
      }, signal);
    } finally {
      this.demand--;
    }
  }

  /** Whether readers are waiting for something to be fetched. */
  get hasDemand(): boolean { return this.demand > 0; }
  /** Milliseconds since a reader last had to wait. */
  get quietTime(): number { return performance.now() - this.lastDemand; }

  /** A reader used a chunk: what it will probably want next is fetched too. */
  touch(chunk: number): void {
    this.ahead.touch(chunk);
  }

  /**
   * Fetches chunks onto the disk without keeping them in memory; the rest as {@link fetch}.
   *
   * @returns compressed bytes of the chunks
   */
  async fetchAhead(chunks: readonly number[], signal?: AbortSignal): Promise<number> {
    const places = await this.locateAll(chunks, signal);
    await Promise.all(this.background.get(places, signal));
    return places.reduce((sum, { frameSize }) => sum + frameSize, 0);
  }

  /** Joins what readers ask for: whoever comes to want these chunks waits for this fetch instead of making another. */
  private async prefetch(chunks: readonly number[]): Promise<void> {
    const places = await this.locateAll(chunks, undefined);
    this.store.get(places).forEach(ignoreFailure);
  }

  private async locateAll(chunks: readonly number[], signal: AbortSignal | undefined): Promise<ChunkPlace[]> {
    const places: ChunkPlace[] = [];
    for (const chunk of chunks) places.push(await this.locate(chunk, signal));
    return places;
  }

  /** Tries again while no origin answers and there is time. */
  private async patiently(work: () => Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const deadline = performance.now() + this.options.readTimeout;
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        signal?.throwIfAborted();
        if (this.options.offline === true || !isTransient(error) || performance.now() + RETRY_INTERVAL > deadline) throw error;
        this.statistics.retries++;
        await delay(RETRY_INTERVAL, undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  private findOnDisk(chunk: number): Uint8Array | undefined {
    const { cache } = this.options;
    const place = cache === undefined ? undefined : this.locateLocally(chunk);
    if (cache === undefined || place === undefined) return undefined;
    const id = toHex(place.id);
    const frame = cache.read(id);
    if (frame === undefined) return undefined;
    try {
      const bytes = this.decoder.decode(place, frame);
      this.statistics.diskHits++;
      return bytes;
    } catch (error) {
      if (!hasCode(error, 'CHUNK_DIGEST_MISMATCH')) throw error;
      this.statistics.corruptLocal++;
      cache.remove(id);
      return undefined;
    }
  }

  private findInFiles(chunk: number): Uint8Array | undefined {
    for (const file of this.files) {
      try {
        let place = this.index.find(chunk);
        while (isPagePlace(place)) {
          this.index.accept(place, file.readSync(place.offset, place.size));
          place = this.index.find(chunk);
        }
        const bytes = this.decoder.decode(place, file.readSync(place.frameOffset, place.frameSize));
        this.statistics.diskHits++;
        return bytes;
      } catch (error) {
        if (!(error instanceof ThawfsError)) throw error;
        this.statistics.corruptLocal++;
      }
    }
    return undefined;
  }

  /** @returns undefined when an index page is not here */
  private locateLocally(chunk: number): ChunkPlace | undefined {
    let place = this.index.find(chunk);
    while (isPagePlace(place)) {
      if (!this.acceptCachedPage(place)) return undefined;
      place = this.index.find(chunk);
    }
    return place;
  }

  private acceptCachedPage(place: PagePlace): boolean {
    const { cache } = this.options;
    const bytes = cache?.read(toHex(place.digest));
    if (cache === undefined || bytes === undefined) return false;
    try {
      this.index.accept(place, bytes);
      return true;
    } catch (error) {
      if (!hasCode(error, 'INDEX_DIGEST_MISMATCH')) throw error;
      this.statistics.corruptLocal++;
      cache.remove(toHex(place.digest));
      return false;
    }
  }

  private async locate(chunk: number, signal: AbortSignal | undefined): Promise<ChunkPlace> {
    for (;;) {
      const place = this.index.find(chunk);
      if (!isPagePlace(place)) return place;
      if (this.acceptCachedPage(place)) continue;
      signal?.throwIfAborted();
      const under = this.pages.get(place.offset) ?? this.fetchPage(place).finally(() => { this.pages.delete(place.offset); });
      this.pages.set(place.offset, under);
      await under;
    }
  }

  private async fetchPage(place: PagePlace): Promise<void> {
    let failure: unknown;
    for (const origin of this.origins) {
      try {
        if (this.options.offline === true) break;
        const bytes = await (await origin.source()).read(place.offset, place.size);
        this.index.accept(place, bytes);
        this.options.cache?.write(toHex(place.digest), bytes);
        return;
      } catch (error) {
        if (hasCode(error, 'SOURCE_CHANGED', 'SOURCE_UNREACHABLE')) origin.reset();
        failure ??= error;
      }
    }
    throw (failure as Error | undefined) ?? offlineError();
  }

  /** What arrives is kept on disk as it came, once it has proved to be the chunk. */
  private decodeFetched(place: ChunkPlace, frame: Uint8Array): Uint8Array {
    const bytes = this.decoder.decode(place, frame);
    this.statistics.fetched++;
    this.options.cache?.write(toHex(place.id), frame);
    return bytes;
  }
}

/** An object whose properties are numbers of shared memory. One thread writes. */
function countersIn(numbers: Float64Array): LazyStatistics {
  return Object.defineProperties({}, Object.fromEntries(statisticNames.map((name, i) => [name, {
    enumerable: true, get: () => numbers[i]!, set: (value: number) => { numbers[i] = value; },
  }]))) as LazyStatistics;
}

/** @returns counters of several threads, added up */
export function addStatistics(parts: readonly Float64Array[]): LazyStatistics {
  return Object.fromEntries(statisticNames.map((name, i) => [name, parts.reduce((sum, part) => sum + part[i]!, 0)])) as unknown as LazyStatistics;
}

/** Whether waiting may help. */
function isTransient(error: unknown): boolean {
  return error instanceof ThawfsError && error.kind === 'source' && error.code !== 'SOURCE_CHANGED';
}

function offlineError(): ThawfsError {
  return new ThawfsError('CHUNK_MISSING', 'not on this machine, and origins may not be asked', { suggestion: 'Mount without --offline, or run thawfs fill while online.' });
}
