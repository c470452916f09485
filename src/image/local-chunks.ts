/**
 * The chunks of an image that are on this machine: in a local image file, or in the cache on disk. Each is checked again when it
 * is read, at the latest when a reader looks at it.
 */
import { toHex } from '../bytes/hex.js';
import type { ChunkDecoder } from '../chunk/chunk-decoder.js';
import type { DecodedChunk } from '../chunk/decoded-chunk.js';
import { endOfPage, isPagePlace, type ChunkPlace } from '../chunk/index-reader.js';
import { hasCode, ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { RangeSource } from '../source/range-source.js';
import type { DiskStore } from '../store/disk-store.js';
import type { LazyStatistics } from './lazy-statistics.js';
import { LeafDigests } from './leaf-digests.js';
import type { LocalIndex } from './local-index.js';

/** A source whose bytes are on this machine. */
export type LocalSource = Required<Pick<RangeSource, 'readSync' | 'close'>>;

export interface LocalPlaces {
  readonly cache: DiskStore | undefined;
  /** Whole image files. */
  readonly files: readonly LocalSource[];
}

export class LocalChunks {
  private readonly leaves: LeafDigests;
  /** Every frame is read into it. */
  private readonly frame: Uint8Array;
  /** Chunks that are damaged in all files. */
  private readonly damaged = new Set<number>();

  /** @param frameMaxSize bytes that a frame has at most */
  constructor(
    private readonly index: LocalIndex, private readonly decoder: ChunkDecoder, private readonly places: LocalPlaces,
    private readonly statistics: LazyStatistics, manifest: Manifest, frameMaxSize: number,
  ) {
    this.frame = new Uint8Array(frameMaxSize);
    this.leaves = new LeafDigests(manifest, (chunk) => this.find(chunk, (place, frame) => this.decoder.decode(place, frame)));
  }

  /** Whether there is a whole image file. It may still turn out to be damaged. */
  get isWhole(): boolean { return this.places.files.length > 0; }

  /** @returns whether the chunk's frame is here; it may still turn out to be damaged */
  has(chunk: number): boolean {
    if (this.isWhole) return true;
    const place = this.index.find(chunk);
    return place !== undefined && this.places.cache?.has(toHex(place.id)) === true;
  }

  /** @returns the chunks of which {@link has} says yes, ascending. Of what an absent page of the index tells of nothing is here, and it is asked for once */
  *all(chunkCount: number): Generator<number> {
    for (let chunk = 0; chunk < chunkCount;) {
      const place = this.isWhole ? undefined : this.index.descend(chunk);
      if (place !== undefined && isPagePlace(place)) {
        chunk = endOfPage(place);
        continue;
      }
      if (place === undefined || this.places.cache?.has(toHex(place.id)) === true) yield chunk;
      chunk++;
    }
  }

  /**
   * Decodes a chunk. What is damaged is dropped and counted.
   *
   * @param thoroughly checks all of it now, instead of each block when somebody looks
   * @returns false when it is not here
   */
  load(chunk: number, target: DecodedChunk, thoroughly: boolean): boolean {
    const leaves = thoroughly ? undefined : this.leaves.of(chunk);
    return this.find(chunk, (place, frame) => {
      this.decoder.decodeInto(place, frame, target, leaves);
      return true;
    }) === true;
  }

  private find<T>(chunk: number, decode: (place: ChunkPlace, frame: Uint8Array) => T): T | undefined {
    return this.findInFiles(chunk, decode) ?? this.findInCache(chunk, decode);
  }

  private findInFiles<T>(chunk: number, decode: (place: ChunkPlace, frame: Uint8Array) => T): T | undefined {
    if (!this.isWhole || this.damaged.has(chunk)) return undefined;
    for (const file of this.places.files) {
      try {
        const place = this.index.findIn(chunk, (offset, length) => file.readSync(offset, length));
        const found = decode(place, file.readSync(place.frameOffset, place.frameSize, this.frame));
        this.statistics.diskHits++;
        return found;
      } catch (error) {
        if (!(error instanceof ThawfsError)) throw error;
        this.statistics.corruptLocal++;
      }
    }
    this.damaged.add(chunk);
    return undefined;
  }

  private findInCache<T>(chunk: number, decode: (place: ChunkPlace, frame: Uint8Array) => T): T | undefined {
    const { cache } = this.places;
    const place = cache === undefined ? undefined : this.index.find(chunk);
    if (cache === undefined || place === undefined) return undefined;
    const id = toHex(place.id);
    const frame = cache.read(id, true, this.frame);
    if (frame === undefined) return undefined;
    try {
      const found = decode(place, frame);
      this.statistics.diskHits++;
      return found;
    } catch (error) {
      if (!hasCode(error, 'CHUNK_DIGEST_MISMATCH')) throw error;
      this.statistics.corruptLocal++;
      cache.remove(id);
      return undefined;
    }
  }
}
