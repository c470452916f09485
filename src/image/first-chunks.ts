/** The answer that brings the head brings the first chunks behind it as well: kept, a mount begins without asking for them again. */
import { toHex } from '../bytes/hex.js';
import { isPagePlace } from '../chunk/index-reader.js';
import type { OpenedSource, ReadOptions } from '../source/range-source.js';
import type { DiskStore } from '../store/disk-store.js';
import { LocalImage } from './local-image.js';

/**
 * Fetches the index page that tells of the first chunks, over the connection that is open already, and keeps it and them.
 *
 * @param head as it was trusted
 * @param opened the origin with its first bytes
 * @returns how many were not here before
 * @throws what reading the page throws; INDEX_DIGEST_MISMATCH, CHUNK_DIGEST_MISMATCH: nothing that is wrong is kept
 */
export function keepFirstChunks(head: Uint8Array, opened: OpenedSource, cache: DiskStore, options: ReadOptions = {}): Promise<number> {
  return new FirstChunks(head, cache).keepFrom(opened, options);
}

class FirstChunks extends LocalImage {
  constructor(head: Uint8Array, private readonly cache: DiskStore) {
    super({ head, locations: [], cache, memorySize: 0 }, []);
  }

  async keepFrom({ source, opening }: OpenedSource, options: ReadOptions): Promise<number> {
    let kept = 0;
    for (let place = this.localIndex.descend(0); isPagePlace(place); place = this.localIndex.descend(0)) {
      this.localIndex.accept(place, await source.read(place.offset, place.size, options));
    }
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      const place = this.localIndex.find(chunk);
      if (place === undefined || place.frameOffset + place.frameSize > opening.length) break;
      if (this.cache.has(toHex(place.id))) continue;
      const frame = opening.subarray(place.frameOffset, place.frameOffset + place.frameSize);
      this.decoder.check(place, frame);
      this.cache.write(toHex(place.id), frame);
      kept++;
    }
    return kept;
  }
}
