/**
 * The part of an image that is on this machine (memory, the cache on disk, a local image file): synchronous reads, ChunkMissing for
 * the rest. Every byte handed out was checked when it was read from there. {@link LazyImage} adds fetching to it; who only answers from
 * what is here does without that, and is ready in half the time.
 */
import { ChunkMissing, type RandomAccess } from '../bytes/random-access.js';
import { parseHex, toHex } from '../bytes/hex.js';
import { RecentPlaces } from '../bytes/recent-places.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { DecodedChunk } from '../chunk/decoded-chunk.js';
import { decodeHead, type Head } from '../chunk/head.js';
import { IndexReader } from '../chunk/index-reader.js';
import { zeroChunkId } from '../chunk/zero-chunk.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import { sha256 } from '../hash/sha256.js';
import { openFileSource } from '../source/file.js';
import { isRemote } from '../source/is-remote.js';
import type { DiskStore } from '../store/disk-store.js';
import { requireInRaw } from './fault.js';
import { countersIn, STATISTICS_SIZE, type LazyStatistics } from './lazy-statistics.js';
import { LocalChunks, type LocalSource } from './local-chunks.js';
import { LocalIndex } from './local-index.js';

export interface LocalImageOptions {
  /** The head as it was trusted: nothing here asks again whose image it is. */
  readonly head: Uint8Array;
  /** Where the image can be had, best first; http(s) URLs or paths. */
  readonly locations: readonly string[];
  /** Chunks on disk; absent = memory only. */
  readonly cache?: DiskStore;
  /** Bytes of decoded chunks kept in memory. */
  readonly memorySize: number;
  /** Where the statistics are counted: memory that another thread may read; {@link STATISTICS_SIZE} numbers. */
  readonly counters?: Float64Array;
  /** Told of every chunk that comes from the disk into memory: how somebody else knows what is being read. */
  readonly onTouch?: (chunk: number) => void;
}

export class LocalImage implements RandomAccess {
  readonly size: number;
  readonly chunkSize: number;
  readonly chunkCount: number;
  readonly manifest: Manifest;
  readonly statistics: LazyStatistics;
  protected readonly head: Head;
  protected readonly decoder: ChunkDecoder;
  protected readonly salt: Uint8Array;
  /** Decoded chunks. */
  private readonly memory: RecentPlaces<DecodedChunk>;
  protected readonly localIndex: LocalIndex;
  protected readonly local: LocalChunks;
  private readonly onTouch: ((chunk: number) => void) | undefined;
  private zeroId: Uint8Array | undefined;

  protected constructor({ head: bytes, cache, memorySize, counters, onTouch }: LocalImageOptions, private readonly files: readonly LocalSource[]) {
    const head = decodeHead(bytes);
    this.head = head;
    this.manifest = decodeManifest(head.manifest);
    const { raw, index: { chunkSize, chunkCount, rootDigest }, verity } = this.manifest;
    if (toHex(sha256(head.rootPage)) !== rootDigest) throw new ThawfsError('INDEX_DIGEST_MISMATCH', 'root page of the chunk index: not the one that was signed');
    this.size = raw.size;
    this.chunkSize = chunkSize;
    this.chunkCount = chunkCount;
    this.statistics = countersIn(counters ?? new Float64Array(STATISTICS_SIZE));
    const codec = openCodec();
    this.salt = parseHex(verity.salt, 'manifest.verity.salt');
    this.decoder = new ChunkDecoder(codec, chunkSize, this.salt);
    const maxFrameSize = codec.bound(chunkSize);
    this.localIndex = new LocalIndex(new IndexReader({
      chunkCount, chunkSize, rawSize: raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize,
    }, head.rootPage), cache, this.statistics);
    this.local = new LocalChunks(this.localIndex, this.decoder, { cache, files }, this.statistics, this.manifest, maxFrameSize);
    this.memory = new RecentPlaces(Math.floor(memorySize / chunkSize), () => new DecodedChunk(chunkSize, this.salt));
    this.onTouch = onTouch;
  }

  /** @throws what the head's decoders throw: it is not the head of an image */
  static async openLocal(options: LocalImageOptions): Promise<LocalImage> {
    return new LocalImage(options, await openFiles(options.locations));
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
    if (loaded !== undefined) this.onTouch?.(chunk);
    return loaded;
  }

  /** @returns bytes of a chunk; only the last may have fewer than the others */
  sizeOf(chunk: number): number {
    return Math.min(this.chunkSize, this.size - chunk * this.chunkSize);
  }

  /** @returns whether the chunk's frame is on this machine; it may still turn out to be damaged */
  isLocal(chunk: number): boolean {
    return this.local.has(chunk);
  }

  /** @returns the chunks that are local, ascending, as far as index pages are here to tell */
  localChunks(): Iterator<number> & Iterable<number> {
    return this.local.all(this.chunkCount);
  }

  /** @returns whether the chunk is known to hold zeros only, here or not */
  isHole(chunk: number): boolean {
    const place = this.localIndex.find(chunk);
    this.zeroId ??= zeroChunkId(this.chunkSize, this.salt);
    return place !== undefined && Buffer.compare(place.id, this.zeroId) === 0;
  }

  /** As {@link find}, for who wants only to know. */
  protected isReadable(chunk: number): boolean {
    return this.part(chunk, 0, this.sizeOf(chunk)) !== undefined;
  }

  /** @param verified a whole chunk, copied into memory */
  protected keep(chunk: number, verified: Uint8Array): void {
    this.memory.load(chunk, (target) => {
      target.begin(verified.length).set(verified);
      target.accept();
      return true;
    });
  }

  /** Lets go of local image files. Nothing may be read afterwards. */
  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }
}

/** The image files among the locations. One that cannot be opened is a place where the image cannot be had now. */
export async function openFiles(locations: readonly string[]): Promise<LocalSource[]> {
  const files: LocalSource[] = [];
  for (const location of locations) {
    if (isRemote(location)) continue;
    const opened = await openFileSource(location, 0).catch(() => undefined);
    if (opened?.source.readSync !== undefined) files.push(opened.source as LocalSource);
  }
  return files;
}
