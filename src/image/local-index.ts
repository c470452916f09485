/** What is here of an image's chunk index: pages from the cache on disk, each checked before it is believed. */
import { toHex } from '../bytes/hex.js';
import { isPagePlace, type ChunkPlace, type IndexReader, type PagePlace } from '../chunk/index-reader.js';
import { hasCode } from '../errors.js';
import type { DiskStore } from '../store/disk-store.js';
import type { LazyStatistics } from './lazy-statistics.js';

export class LocalIndex {
  constructor(readonly reader: IndexReader, private readonly cache: DiskStore | undefined, private readonly statistics: LazyStatistics) {}

  /** @returns undefined when an index page is not here */
  find(chunk: number): ChunkPlace | undefined {
    const place = this.descend(chunk);
    return isPagePlace(place) ? undefined : place;
  }

  /** @returns where the chunk is, or the first page on the way to it that is not here */
  descend(chunk: number): ChunkPlace | PagePlace {
    let place = this.reader.find(chunk);
    while (isPagePlace(place) && this.acceptCached(place)) place = this.reader.find(chunk);
    return place;
  }

  /** As {@link LocalIndex.find}, out of a file that is here as a whole. */
  findIn(chunk: number, readSync: (offset: number, length: number) => Uint8Array): ChunkPlace {
    return this.reader.findIn(chunk, readSync);
  }

  /** @throws INDEX_DIGEST_MISMATCH. What is the right page is kept */
  accept(page: PagePlace, bytes: Uint8Array): void {
    this.reader.accept(page, bytes);
    this.cache?.write(toHex(page.digest), bytes);
  }

  private acceptCached(place: PagePlace): boolean {
    const { cache } = this;
    const bytes = cache?.read(toHex(place.digest));
    if (cache === undefined || bytes === undefined) return false;
    try {
      this.reader.accept(place, bytes);
      return true;
    } catch (error) {
      if (!hasCode(error, 'INDEX_DIGEST_MISMATCH')) throw error;
      this.statistics.corruptLocal++;
      cache.remove(toHex(place.digest));
      return false;
    }
  }
}
