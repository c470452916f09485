/** An image that is read before it is here: what is local at once, ChunkMissing for the rest, and a way to fetch that. Every byte was checked when it was fetched. */
import { toHex } from '../bytes/hex.js';
import type { RandomAccess } from '../bytes/random-access.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { ThawfsError } from '../errors.js';
import { headHeader } from '../format/container.js';
import type { RemoteState } from '../source/http-answer.js';
import { LinkMeter } from '../source/link-meter.js';
import type { SourceOptions } from '../source/open-source.js';
import { pause } from '../source/pause.js';
import { ignoreFailure } from '../store/departure.js';
import { SharedFetches } from '../store/shared-fetches.js';
import { runWithFaults } from './fault.js';
import { FetchScheduler, type Landed } from './fetch-scheduler.js';
import { FrameKeeper } from './frame-keeper.js';
import { LazyIndex } from './lazy-index.js';
import type { LocalSource } from './local-chunks.js';
import { LocalImage, openFiles, type LocalImageOptions } from './local-image.js';
import { noOrigins, Origins, type OpenedOrigin } from './origins.js';
import { ReadAhead } from './read-ahead.js';

export interface LazyImageOptions extends LocalImageOptions {
  /** Milliseconds for which a fetch waits for an origin that does not answer before it fails. */
  readonly readTimeout: number;
  /** Never ask an origin. */
  readonly offline?: boolean;
  /** Nobody reads it, it is only fetched. */
  readonly unattended?: boolean;
  /** All of it will be fetched in the end: reading ahead then costs nothing, and may bet more. */
  readonly filling?: boolean;
  readonly sourceOptions?: SourceOptions;
  /** The origin that is open already, and what it told of the link; with connections for MAX_REQUESTS. Closed with the image, also when that cannot be opened. */
  readonly opened?: OpenedOrigin & { readonly link: LinkMeter } | undefined;
  /** What an origin was when another process opened it: its answers are compared with that, and nothing is asked before what is wanted. */
  readonly known?: KnownOrigin | undefined;
}

/** Plain data. */
export interface KnownOrigin {
  readonly at: string;
  readonly state: RemoteState;
}

/** What {@link LazyImage.fetchAhead} sent for. */
export interface SentAhead {
  readonly count: number;
  /** Frame bytes. */
  readonly size: number;
  readonly next: number;
  readonly landed: Promise<unknown>;
}

/** Wait between two attempts while no origin answers, milliseconds. */
const RETRY_INTERVAL = 500;
/** Chunks before a page of the index is needed at which a fill sends for it: a page tells of 1,024. */
const INDEX_AHEAD = 1024;
/** Pages that a fill sends for at once when it begins. */
const EARLY_PAGES = 7;
/** Chunks of a step at most: those of zeros have next to no frame. */
const STEP_CHUNKS = 1024;

export class LazyImage extends LocalImage {
  readonly scheduler: FetchScheduler;
  private readonly index: LazyIndex;
  private readonly keeper: FrameKeeper | undefined;
  private readonly shared: SharedFetches<Landed> | undefined;
  private readonly ahead: ReadAhead;
  private readonly expected = new Set<number>();
  private readonly origins: Pick<Origins<Landed>, 'close' | 'connect'>;

  private constructor(private readonly options: LazyImageOptions, files: readonly LocalSource[]) {
    super(options, files);
    const { cache, offline, sourceOptions, locations, filling = false, unattended = false, opened, known } = options;
    const { head, decoder, chunkSize, chunkCount } = this;
    this.keeper = cache === undefined ? undefined : new FrameKeeper(cache, chunkSize, this.salt);
    const link = opened?.link ?? new LinkMeter();
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
    const origins = offline === true ? noOrigins : new Origins(locations, head, { ...sourceOptions, onRequest, link }, decodeFetched, () => { this.statistics.refetched++; },
      opened ?? (known === undefined ? undefined : { at: known.at, source: { state: known.state, opening: options.head.subarray(0, headHeader.size) } }));
    this.origins = origins;
    this.index = new LazyIndex(this.localIndex, (offset, length, judge) => origins.read(offset, length, judge));
    // What is here but damaged counts as missing to those who wait for it.
    this.shared = cache === undefined ? undefined : new SharedFetches(origins.chunks, cache.folder, (chunk) => this.isLocal(chunk) && (!this.scheduler.isAwaited(chunk) || this.isReadable(chunk)));
    this.scheduler = new FetchScheduler(this.shared ?? origins.chunks, link, chunkCount, { unattended });
    this.ahead = new ReadAhead({
      chunkCount, generous: filling, isLocal: (chunk) => this.isLocal(chunk), prefetch: (chunks) => { if (cache !== undefined) this.hasten(chunks); },
    });
  }

  /** Opens what is local; no request is made. @throws what the head's decoders throw: it is not the head of an image */
  static async open(options: LazyImageOptions): Promise<LazyImage> {
    try {
      return new LazyImage(options, await openFiles(options.locations));
    } catch (error) {
      await options.opened?.source.close();
      throw error;
    }
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
        const missing = chunks.filter((chunk) => !this.isReadable(chunk));
        if (missing.length === 0) return;
        await Promise.all(this.scheduler.get(await this.index.locate(missing, signal), signal).map(async (landing, i) => {
          const bytes = await landing;
          if (bytes !== undefined) this.keep(missing[i]!, bytes);
        }));
      }
    }, signal);
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

  /** Lets what is being written to the cache be written. Nothing may be fetched or read afterwards. */
  override async close(): Promise<void> {
    await this.keeper?.close();
    this.shared?.close();
    await this.origins.close();
    await super.close();
  }

  /** A reader used a chunk: what it will probably want next is fetched too. */
  touch(chunk: number): void {
    this.scheduler.touch();
    if (this.options.filling === true || !this.expected.has(chunk)) this.ahead.touch(chunk);
  }

  /** As {@link hasten}, once for each, for chunks of which it is known that they will be used: who reads them needs nobody to guess what he wants next. */
  expect(chunks: readonly number[]): void {
    const others = chunks.filter((chunk) => !this.expected.has(chunk));
    for (const chunk of others) this.expected.add(chunk);
    this.hasten(others);
  }

  /** Chunks that will be wanted, in this order: fetched onto the disk as the link has room. Failures show when they are wanted. */
  hasten(chunks: readonly number[]): void {
    if (this.options.offline === true || this.local.isWhole) return;
    this.index.locate(chunks.filter((chunk) => !this.isLocal(chunk))).then((places) => { this.scheduler.hasten(places); }, () => undefined);
  }

  /** Connects to the origin if something will have to be fetched: a fill ends with the last chunk. */
  connect(): void {
    if (!this.isLocal(this.chunkCount - 1)) this.origins.connect();
  }

  /** Sends for the pages of the index that a fill needs first, but for the very first: connections that bring them have begun when chunks are wanted. */
  hastenIndex(): void {
    for (let chunk = INDEX_AHEAD; chunk < this.chunkCount && chunk <= EARLY_PAGES * INDEX_AHEAD; chunk += INDEX_AHEAD) this.index.hasten(chunk, 1);
  }

  /**
   * Sends for chunks that are not here, in order; they go to the disk without being kept in memory, and nobody waits for them.
   *
   * @param from the first that is considered
   * @param size frame bytes after which it is enough for this time
   * @returns when they are sent for: how many and of how many frame bytes, the first that was not considered any more, and what resolves when they are here, and
   *   rejects at the first failure as {@link fetch} does
   * @throws what fetching index pages throws
   */
  async fetchAhead(from: number, size: number, signal?: AbortSignal): Promise<SentAhead> {
    const places: ChunkPlace[] = [];
    let [next, bytes] = [from, 0];
    for (; next < this.chunkCount && bytes < size && places.length < STEP_CHUNKS; next++) {
      if (this.isLocal(next)) continue;
      const known = this.localIndex.find(next);
      if (known === undefined && places.length > 0) break; // these need not wait for a page
      const place = known ?? (await this.index.locate([next], signal))[0]!;
      places.push(place);
      bytes += place.frameSize;
    }
    signal?.throwIfAborted();
    // A page that is only asked for when it is needed leaves the link idle for a round trip, and connections begin slowly after that.
    if (places.length > 0) this.index.hasten(Math.min(next - 1 + INDEX_AHEAD, this.chunkCount - 1));
    const landed = Promise.all(this.scheduler.fill(places));
    ignoreFailure(landed);
    return { count: places.length, size: bytes, next, landed };
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
        await pause(RETRY_INTERVAL, signal);
      }
    }
  }
}

/** Whether waiting may help. */
export function isTransient(error: unknown): boolean {
  return error instanceof ThawfsError && error.kind === 'source' && error.code !== 'SOURCE_CHANGED';
}
