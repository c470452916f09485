/** The chunks of an image that are on this machine: in the cache on disk, or in a local image file. Each is checked again when it is read. */
import { toHex } from '../bytes/hex.js';
import type { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { hasCode, ThawfsError } from '../errors.js';
import type { RangeSource } from '../source/range-source.js';
import type { DiskStore } from '../store/disk-store.js';
import type { LazyIndex } from './lazy-index.js';
import type { LazyStatistics } from './lazy-statistics.js';

/** A source whose bytes are on this machine. */
export type LocalSource = Required<Pick<RangeSource, 'readSync'>>;

export class LocalChunks {
  constructor(
    private readonly index: LazyIndex, private readonly decoder: ChunkDecoder, private readonly cache: DiskStore | undefined,
    private readonly files: readonly LocalSource[], private readonly statistics: LazyStatistics,
  ) {}

  /** Whether there is a whole image file. It may still turn out to be damaged. */
  get isWhole(): boolean { return this.files.length > 0; }

  /** @returns whether the chunk's frame is here; it may still turn out to be damaged */
  has(chunk: number): boolean {
    if (this.isWhole) return true;
    const place = this.index.find(chunk);
    return place !== undefined && this.cache?.has(toHex(place.id)) === true;
  }

  /** @returns a verified chunk; what is damaged is dropped and counted */
  find(chunk: number): Uint8Array | undefined {
    return this.findOnDisk(chunk) ?? this.findInFiles(chunk);
  }

  private findOnDisk(chunk: number): Uint8Array | undefined {
    const { cache } = this;
    const place = cache === undefined ? undefined : this.index.find(chunk);
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
        const place = this.index.findIn(chunk, (offset, length) => file.readSync(offset, length));
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
}
