import { Room } from '../bytes/room.js';
import type { RandomAccess } from '../bytes/random-access.js';
import type { Head } from '../chunk/head.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import type { Manifest } from '../format/manifest.js';
import type { RangeSource, ReadOptions } from '../source/range-source.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { MemoryStore } from '../store/memory-store.js';
import { ignoreFailure } from '../store/departure.js';
import type { TrustReport } from '../trust/policy.js';
import { MiB } from '../units.js';
import { ChunkView, requireInRaw, runWithFaults } from './fault.js';
import type { Locator } from './locator.js';

/** What reading has cost since the image was opened. */
export interface ImageStatistics {
  /** Requests to the source: HTTP requests, or reads of a file. The one that opened the image included. */
  requests: number;
  bytesFetched: number;
  chunksDecoded: number;
  /** Chunks fetched again because they were damaged on the way. */
  chunksRefetched: number;
}

/** A run of consecutive raw bytes. */
export interface RawPart {
  /** In the raw image. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** The parts that an image is made of; see {@link openImage}. */
export interface ImageParts {
  readonly head: Head;
  /** The head as it lies in the file. */
  readonly headBytes: Uint8Array;
  readonly manifest: Manifest;
  readonly trust: TrustReport;
  readonly source: RangeSource;
  readonly locator: Locator;
  /** Verified chunks, past the memory: for streams, which would only push out what others use again. */
  readonly chunks: ChunkStore;
  readonly memory: MemoryStore;
  readonly decode: (place: ChunkPlace, frame: Uint8Array) => Uint8Array;
  readonly statistics: ImageStatistics;
}

/** Raw bytes of a stream's step; two steps are under way while a third is consumed. */
const STEP_SIZE = 8 * MiB;

/**
 * An open image: the raw image's bytes, fetched when they are needed and verified before they are seen.
 * Everything that may wait takes a `signal`; aborting rejects with the signal's reason.
 */
export class Image implements AsyncDisposable {
  readonly manifest: Manifest;
  /** Sections of the head, among them the PKCS#7 signature; and the head as it lies in the file. */
  readonly head: Head;
  readonly headBytes: Uint8Array;
  /** What the trust policy found. */
  readonly trust: TrustReport;
  /** Bytes of the image file. */
  readonly fileSize: number;
  /** Where it was opened; without credentials. */
  readonly location: string;
  /** Of the source: an ETag or the like, see {@link RangeSource.identity}. */
  readonly identity: string | undefined;
  readonly statistics: Readonly<ImageStatistics>;
  /**
   * The raw image for synchronous readers. A local image answers every read; a remote one throws ChunkMissing for
   * chunks that are not in memory: use {@link Image.run}, which fetches them.
   */
  readonly randomAccess: RandomAccess;

  private readonly frame = new Room(2 * MiB);

  constructor(private readonly parts: ImageParts) {
    const { head, headBytes, manifest, trust, source, statistics } = parts;
    this.head = head;
    this.headBytes = headBytes;
    this.manifest = manifest;
    this.trust = trust;
    this.fileSize = source.size;
    this.location = source.location;
    this.identity = source.identity;
    this.statistics = statistics;
    this.randomAccess = new ChunkView(manifest.raw.size, manifest.index.chunkSize, (chunk) => this.find(chunk));
  }

  /** Whether every read is answered at once. */
  get isLocal(): boolean {
    return this.parts.source.readSync !== undefined;
  }

  /** Of the file, where that is on this machine; good until the image is closed. */
  get descriptor(): number | undefined {
    return this.parts.source.descriptor;
  }

  /**
   * @returns `length` bytes at `offset` of the raw image, all in memory: {@link Image.chunks} is for more; the caller owns them
   * @throws TRUNCATED when the range leaves the raw image; CHUNK_DIGEST_MISMATCH, INDEX_DIGEST_MISMATCH when bytes are bad
   *   and were bad again when fetched a second time; what the source throws
   */
  async read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
    requireInRaw(this.manifest.raw.size, offset, length);
    const target = Buffer.allocUnsafeSlow(length);
    await this.readInto(offset, target, options);
    return target;
  }

  /** Fills `target`: for those who read much, bit by bit. @throws as {@link Image.read} */
  async readInto(offset: number, target: Uint8Array, { signal }: ReadOptions = {}): Promise<void> {
    requireInRaw(this.manifest.raw.size, offset, target.length);
    signal?.throwIfAborted();
    if (this.isLocal) this.copyInto(offset, target);
    else for await (const part of this.stream(this.parts.memory, offset, offset + target.length, signal)) target.set(part.bytes, part.offset - offset);
  }

  /**
   * Raw bytes from `from` to `to` in order, a chunk at a time, read ahead in large requests: for reading much of an
   * image once. Holds about 24 MiB; leaves the memory cache alone.
   *
   * @param from byte offset, default 0
   * @param to byte offset of the end, default the raw image's size
   * @returns parts that cover the range without gaps; their bytes may be shared, do not write into them
   * @throws as {@link Image.read}
   */
  chunks(from = 0, to = this.manifest.raw.size, { signal }: ReadOptions = {}): AsyncGenerator<RawPart, void, undefined> {
    requireInRaw(this.manifest.raw.size, from, to - from);
    return this.stream(this.parts.chunks, from, to, signal);
  }

  /**
   * Runs a synchronous reader, for example the ext4 reader, fetching what it misses and running it again.
   *
   * @param reader changes nothing outside itself before its last read: it may run many times
   * @throws LIMIT_EXCEEDED when the reader needs more than 256 MiB of a remote image at once; what the reader throws; as {@link Image.read}
   */
  async run<T>(reader: (image: RandomAccess) => T, { signal }: ReadOptions = {}): Promise<T> {
    if (this.isLocal) return reader(this.randomAccess); // nothing is ever missing, so nothing need be held
    return runWithFaults(reader, {
      size: this.manifest.raw.size, chunkSize: this.manifest.index.chunkSize,
      find: (chunk) => this.find(chunk),
      fetch: (chunks) => this.request(this.parts.memory, chunks, signal),
    });
  }

  /** Fetches raw ranges into memory, as far as they fit there. @param ranges may overlap */
  async prefetch(ranges: readonly { readonly offset: number; readonly length: number }[], { signal }: ReadOptions = {}): Promise<void> {
    const { chunkSize } = this.manifest.index;
    const wanted = new Set<number>();
    for (const { offset, length } of ranges) {
      requireInRaw(this.manifest.raw.size, offset, length);
      for (const chunk of range(Math.floor(offset / chunkSize), Math.ceil((offset + length) / chunkSize))) wanted.add(chunk);
    }
    const chunks = await this.request(this.parts.memory, [...wanted].sort((a, b) => a - b), signal);
    await Promise.all(chunks.map(async (chunk) => { await chunk; }));
  }

  /**
   * @param from first chunk number
   * @param to chunk number behind the last
   * @returns where the frames lie in the file. Cost: the index pages, which stay in a small cache
   */
  locate(from: number, to: number, { signal }: ReadOptions = {}): Promise<ChunkPlace[]> {
    return this.parts.locator.locate(Array.from({ length: to - from }, (_, i) => from + i), signal);
  }

  /** @returns bytes of the image file as they lie there, verified by nobody: for those who check the file itself. */
  readFile(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
    return this.parts.source.read(offset, length, options);
  }

  /** Ends what is under way and gives up file and connections. */
  async close(): Promise<void> {
    await this.parts.source.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Of a local image: a turn of the event loop for each read costs more than the read. */
  private copyInto(offset: number, target: Uint8Array): void {
    const { chunkSize } = this.manifest.index;
    for (let at = offset; at < offset + target.length;) {
      const skip = at % chunkSize;
      const part = this.find((at - skip) / chunkSize)!.subarray(skip, skip + offset + target.length - at);
      target.set(part, at - offset);
      at += part.length;
    }
  }

  /** A chunk that needs no waiting. */
  private find(chunk: number): Uint8Array | undefined {
    const { memory, source, locator, decode } = this.parts;
    const found = memory.find(chunk);
    if (found !== undefined || source.readSync === undefined) return found;
    const readSync = source.readSync.bind(source);
    const place = locator.locateSync(chunk, readSync);
    const bytes = decode(place, readSync(place.frameOffset, place.frameSize, this.frame.of(place.frameSize)));
    memory.keep(chunk, bytes);
    return bytes;
  }

  private async request(store: ChunkStore, chunks: readonly number[], signal: AbortSignal | undefined): Promise<Promise<Uint8Array>[]> {
    const arriving = store.get(await this.parts.locator.locate(chunks, signal), signal);
    // They are awaited one after another: the failure of one must not count as unhandled while another is awaited.
    arriving.forEach(ignoreFailure);
    return arriving;
  }

  private async *stream(store: ChunkStore, from: number, to: number, signal: AbortSignal | undefined): AsyncGenerator<RawPart, void, undefined> {
    signal?.throwIfAborted();
    const { chunkSize } = this.manifest.index;
    const stepCount = Math.max(1, STEP_SIZE / chunkSize);
    const end = Math.ceil(to / chunkSize);
    const stop = new AbortController();
    // AbortSignal.any would hold on to every stream as long as the caller's signal lives (Node 20).
    const forward = (): void => { stop.abort(signal?.reason); };
    signal?.addEventListener('abort', forward, { once: true });
    const order = (first: number): Promise<Promise<Uint8Array>[]> => {
      const chunks = this.request(store, range(first, Math.min(first + stepCount, end)), stop.signal);
      ignoreFailure(chunks);
      return chunks;
    };
    const start = Math.floor(from / chunkSize);
    const ordered = [order(start), order(start + stepCount)];
    let ended = false;
    try {
      for (let first = start; first < end; first += stepCount) {
        const chunks = await ordered.shift()!;
        ordered.push(order(first + 2 * stepCount));
        for (const [i, arriving] of chunks.entries()) {
          const chunk = await arriving;
          signal?.throwIfAborted();
          const offset = (first + i) * chunkSize;
          yield { offset: Math.max(offset, from), bytes: chunk.subarray(Math.max(0, from - offset), Math.min(chunk.length, to - offset)) };
        }
      }
      ended = true;
    } finally {
      signal?.removeEventListener('abort', forward);
      if (!ended) stop.abort(); // what was read ahead for a consumer who has left; an abort costs as much as a small read
    }
  }
}

/** @returns the numbers from `first` up to but without `end` */
function range(first: number, end: number): number[] {
  return Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
}
