/** The chunk index of a lazy image: pages from the cache on disk, else from the origins; each checked before it is believed. */
import { toHex } from '../bytes/hex.js';
import { isPagePlace, type ChunkPlace, type IndexReader, type PagePlace } from '../chunk/index-reader.js';
import { hasCode } from '../errors.js';
import type { DiskStore } from '../store/disk-store.js';
import type { LazyStatistics } from './lazy-statistics.js';

/** Pages that one request brings at most: together 128 MiB of raw image at 64 KiB a chunk, in 72 KiB. */
const PAGES_PER_REQUEST = 2;

export class LazyIndex {
  private readonly arriving = new Map<number, Promise<void>>();

  /** @param fetch bytes of the image file */
  constructor(
    private readonly index: IndexReader, private readonly cache: DiskStore | undefined, private readonly statistics: LazyStatistics,
    private readonly fetch: <T>(offset: number, length: number, judge: (bytes: Uint8Array) => T) => Promise<T>,
  ) {}

  /** @returns undefined when an index page is not here */
  find(chunk: number): ChunkPlace | undefined {
    let place = this.index.find(chunk);
    while (isPagePlace(place)) {
      if (!this.acceptCached(place)) return undefined;
      place = this.index.find(chunk);
    }
    return place;
  }

  /** As {@link LazyIndex.find}, out of a file that is here as a whole. */
  findIn(chunk: number, readSync: (offset: number, length: number) => Uint8Array): ChunkPlace {
    return this.index.findIn(chunk, readSync);
  }

  /** @throws INDEX_DIGEST_MISMATCH when no origin has the right page; what fetching throws */
  async locate(chunks: readonly number[], signal?: AbortSignal): Promise<ChunkPlace[]> {
    const places: ChunkPlace[] = [];
    for (const chunk of chunks) {
      let place = this.index.find(chunk);
      while (isPagePlace(place)) {
        if (!this.acceptCached(place)) {
          signal?.throwIfAborted();
          await this.arrival(place);
        }
        place = this.index.find(chunk);
      }
      places.push(place);
    }
    return places;
  }

  private arrival(place: PagePlace): Promise<void> {
    const under = this.arriving.get(place.offset);
    if (under !== undefined) return under;
    const pages = this.index.around(place, PAGES_PER_REQUEST);
    const arrival = this.fetchPages(place, pages).finally(() => { for (const { offset } of pages) this.arriving.delete(offset); });
    for (const { offset } of pages) this.arriving.set(offset, arrival);
    return arrival;
  }

  /** A neighbour that is damaged is nobody's trouble yet. */
  private fetchPages(wanted: PagePlace, pages: readonly PagePlace[]): Promise<void> {
    const start = pages[0]!.offset;
    const { offset, size } = pages.at(-1)!;
    return this.fetch(start, offset + size - start, (bytes) => {
      for (const page of pages) {
        const own = bytes.slice(page.offset - start, page.offset - start + page.size);
        try {
          this.index.accept(page, own);
        } catch (error) {
          if (page.offset === wanted.offset) throw error;
          continue;
        }
        this.cache?.write(toHex(page.digest), own);
      }
    });
  }

  private acceptCached(place: PagePlace): boolean {
    const { cache } = this;
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
}
