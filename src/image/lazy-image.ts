/**
 * An image that is read before it is here: synchronous reads of what is local (memory, the cache on disk, a local image
 * file), ChunkMissing for the rest, and a way to fetch that. Every byte handed out was checked, when it was fetched and
 * again after it was read back from the disk.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { ChunkMissing, type RandomAccess } from '../bytes/random-access.js';
import { parseHex, toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { DecodedChunk } from '../chunk/decoded-chunk.js';
import { decodeHead } from '../chunk/head.js';
import { IndexReader, type ChunkPlace } from '../chunk/index-reader.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { sha256 } from '../hash/sha256.js';
import { openFileSource } from '../source/file.js';
import { LinkMeter } from '../source/link-meter.js';
import type { SourceOptions } from '../source/open-source.js';
import type { DiskStore } from '../store/disk-store.js';
import { DecodedChunks } from './decoded-chunks.js';
import { requireInRaw, runWithFaults } from './fault.js';
import { FetchScheduler, type Landed } from './fetch-scheduler.js';
import { FrameKeeper } from './frame-keeper.js';
import { LazyIndex } from './lazy-index.js';
import { countersIn, STATISTICS_SIZE, type LazyStatistics } from './lazy-statistics.js';
import { LocalChunks, type LocalSource } from './local-chunks.js';
import { noOrigins, Origins } from './origins.js';
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
  /** Nobody reads it, it is only fetched. */
  readonly unattended?: boolean;
  /** All of it will be fetched in the end: reading ahead then costs nothing, and may bet more. */
  readonly filling?: boolean;
  readonly sourceOptions?: SourceOptions;
  /** Where the statistics are counted: memory that another thread may read; {@link STATISTICS_SIZE} numbers. */
  readonly counters?: Float64Array;
  /** Told of every chunk that comes from the disk into memory: how somebody else knows what is being read. */
  readonly onTouch?: (chunk: number) => void;
}

/** Wait between two attempts while no origin answers, milliseconds. */
const RETRY_INTERVAL = 500;

export class LazyImage implements RandomAccess {
  readonly size: number;
  readonly chunkSize: number;
  readonly chunkCount: number;
  readonly manifest: Manifest;
  readonly statistics: LazyStatistics;
  readonly scheduler: FetchScheduler;
  private readonly index: LazyIndex;
  private readonly local: LocalChunks;
  private readonly memory: DecodedChunks;
  private readonly keeper: FrameKeeper | undefined;
  private readonly ahead: ReadAhead;

  private constructor(private readonly options: LazyImageOptions, files: readonly LocalSource[]) {
    const { cache, offline, sourceOptions, locations, memorySize, filling = false, unattended = false } = options;
    const head = decodeHead(options.head);
    this.manifest = decodeManifest(head.manifest);
    const { raw, index: { chunkSize, chunkCount, rootDigest }, verity } = this.manifest;
    if (toHex(sha256(head.rootPage)) !== rootDigest) throw new ThawfsError('INDEX_DIGEST_MISMATCH', 'root page of the chunk index: not the one that was signed');
    this.size = raw.size;
    this.chunkSize = chunkSize;
    this.chunkCount = chunkCount;
    this.statistics = countersIn(options.counters ?? new Float64Array(STATISTICS_SIZE));
    const codec = openCodec();
    const salt = parseHex(verity.salt, 'manifest.verity.salt');
    const decoder = new ChunkDecoder(codec, chunkSize, salt);
    this.keeper = cache === undefined ? undefined : new FrameKeeper(cache, chunkSize, salt);
    const link = new LinkMeter();
    const onRequest: SourceOptions['onRequest'] = (request) => {
      this.statistics.requests++;
      this.statistics.bytesFetched += request.bytesReceived;
    };
    // What arrives is kept on disk as it came, once it has proved to be the chunk: here when somebody waits for it, else on the keeper's thread.
    const decodeFetched = async (place: ChunkPlace, frame: Uint8Array): Promise<Landed> => {
      if (this.keeper !== undefined && !this.scheduler.isAwaited(place.number) && await this.keeper.keep(place, frame)) {
        this.statistics.fetched++;
        return undefined;
      }
      const bytes = decoder.decode(place, frame);
      this.statistics.fetched++;
      cache?.write(toHex(place.id), frame);
      return bytes;
    };
    const origins = offline === true ? noOrigins : new Origins(locations, head, { ...sourceOptions, onRequest, link }, decodeFetched, () => { this.statistics.refetched++; });
    const maxFrameSize = codec.bound(chunkSize);
    this.index = new LazyIndex(new IndexReader({
      chunkCount, chunkSize, rawSize: raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize,
    }, head.rootPage), cache, this.statistics, (offset, length, judge) => origins.read(offset, length, judge));
    this.local = new LocalChunks(this.index, decoder, { cache, files }, this.statistics, this.manifest, maxFrameSize);
    this.scheduler = new FetchScheduler(origins.chunks, link, chunkCount, { unattended });
    this.memory = new DecodedChunks(Math.floor(memorySize / chunkSize), () => new DecodedChunk(chunkSize, salt));
    this.ahead = new ReadAhead({
      chunkCount, generous: filling, isLocal: (chunk) => this.isLocal(chunk), prefetch: (chunks) => { if (cache !== undefined) this.hasten(chunks); },
    });
  }

  /** Opens what is local; no request is made. @throws what the head's decoders throw: it is not the head of an image */
  static async open(options: LazyImageOptions): Promise<LazyImage> {
    const files: LocalSource[] = [];
    for (const location of options.locations) {
      if (/^https?:/i.test(location)) continue;
      const opened = await openFileSource(location, 0).catch(() => undefined);
      if (opened?.source.readSync !== undefined) files.push(opened.source as LocalSource);
    }
    return new LazyImage(options, files);
  }

  /** As RandomAccess demands it. */
  read(offset: number, length: number): Uint8Array {
    const target = new Uint8Array(length);
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
      const bytes = this.part(chunk, Math.max(0, offset - start), Math.min(chunkSize, end - start));
      if (bytes === undefined) missing.push(chunk);
      else if (missing.length === 0) target.set(bytes, Math.max(0, start - offset));
    }
    if (missing.length > 0) throw new ChunkMissing(missing);
  }

  /** @returns a verified chunk that needs no waiting; the caller owns it */
  find(chunk: number): Uint8Array | undefined {
    return this.part(chunk, 0, this.sizeOf(chunk))?.slice();
  }

  /** @returns verified bytes of a chunk that needs no waiting, until the next call */
  private part(chunk: number, from: number, to: number): Uint8Array | undefined {
    const held = this.hold(chunk, false);
    // Checked as a whole, what is damaged is found and dropped, and whatever else there is takes its place.
    return held === undefined ? undefined : held.view(from, to) ?? this.hold(chunk, true)?.view(from, to);
  }

  private hold(chunk: number, anew: boolean): DecodedChunk | undefined {
    const found = anew ? undefined : this.memory.find(chunk);
    if (found !== undefined) {
      this.statistics.memoryHits++;
      return found;
    }
    const loaded = this.memory.load(chunk, (target) => this.local.load(chunk, target, anew));
    if (loaded !== undefined) this.options.onTouch?.(chunk);
    return loaded;
  }

  private sizeOf(chunk: number): number {
    return Math.min(this.chunkSize, this.size - chunk * this.chunkSize);
  }

  /** @returns whether the chunk's frame is on this machine; it may still turn out to be damaged */
  isLocal(chunk: number): boolean {
    return this.local.has(chunk);
  }

  /**
   * Makes chunks local, before everything else that is being fetched.
   *
   * @param chunks ascending
   * @returns when {@link find} answers for all of them
   * @throws CHUNK_DIGEST_MISMATCH when no origin has the right bytes; SOURCE_CHANGED; else what the source threw last, after
   *   `readTimeout` without success
   */
  async fetch(chunks: readonly number[], signal?: AbortSignal): Promise<void> {
    for (const chunk of chunks) this.touch(chunk);
    await this.patiently(async () => {
      // The second time for what came to the disk because nobody had waited for it when it was sent for, and is not there after all.
      for (let attempt = 0; attempt < 2; attempt++) {
        const missing = chunks.filter((chunk) => this.part(chunk, 0, this.sizeOf(chunk)) === undefined);
        if (missing.length === 0) return;
        await Promise.all(this.scheduler.get(await this.index.locate(missing, signal), signal).map(async (landing, i) => {
          const bytes = await landing;
          if (bytes !== undefined) this.keep(missing[i]!, bytes);
        }));
      }
    }, signal);
  }

  private keep(chunk: number, verified: Uint8Array): void {
    this.memory.load(chunk, (target) => {
      target.begin(verified.length).set(verified);
      target.accept();
      return true;
    });
  }

  /** As {@link runWithFaults}. @throws as {@link fetch} too */
  run<T>(reader: (image: RandomAccess) => T): Promise<T> {
    return runWithFaults(reader, {
      size: this.size, chunkSize: this.chunkSize, find: (chunk) => this.find(chunk),
      fetch: async (chunks) => {
        await this.fetch(chunks);
        return chunks.map((chunk) => Promise.resolve(this.find(chunk)));
      },
    });
  }

  /** Lets what is being written to the cache be written. Nothing may be fetched afterwards. */
  async close(): Promise<void> {
    await this.keeper?.close();
  }

  /** A reader used a chunk: what it will probably want next is fetched too. */
  touch(chunk: number): void {
    this.ahead.touch(chunk);
  }

  /** Chunks that will be wanted, in this order: fetched onto the disk as the link has room. Failures show when they are wanted. */
  hasten(chunks: readonly number[]): void {
    if (this.options.offline === true || this.local.isWhole) return;
    this.index.locate(chunks.filter((chunk) => !this.isLocal(chunk))).then((places) => { this.scheduler.hasten(places); }, () => undefined);
  }

  /**
   * Fetches chunks onto the disk without keeping them in memory; nobody waits for them.
   *
   * @param chunks ascending
   * @returns compressed bytes of the chunks
   * @throws as {@link fetch}, at the first failure
   */
  async fetchAhead(chunks: readonly number[], signal?: AbortSignal): Promise<number> {
    const places = await this.index.locate(chunks, signal);
    signal?.throwIfAborted();
    await Promise.all(this.scheduler.fill(places));
    return places.reduce((sum, { frameSize }) => sum + frameSize, 0);
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
}

/** Whether waiting may help. */
function isTransient(error: unknown): boolean {
  return error instanceof ThawfsError && error.kind === 'source' && error.code !== 'SOURCE_CHANGED';
}
