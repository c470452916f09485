/** Finds chunks of an image, fetching index pages as they are needed: the index reader joined to a source. */
import { isPagePlace, type ChunkPlace, type IndexReader, type PagePlace } from '../chunk/index-reader.js';
import { hasCode } from '../errors.js';
import type { RangeSource } from '../source/range-source.js';
import { Departure } from '../store/departure.js';

/** Index pages that are at hand, by digest: equal parts of the indexes of several images. */
export interface PageShelf {
  find(digest: Uint8Array): Uint8Array | undefined;
  /** @param page its digest was compared */
  keep(digest: Uint8Array, page: Uint8Array): void;
}

export class Locator {
  /** Pages on their way, by file offset. */
  private readonly arriving = new Map<number, Promise<void>>();

  constructor(private readonly index: IndexReader, private readonly source: RangeSource, private readonly shelf?: PageShelf) {}

  /**
   * @param chunks chunk numbers
   * @throws INDEX_DIGEST_MISMATCH when a page is bad, also when fetched again; what the source throws
   */
  async locate(chunks: readonly number[], signal?: AbortSignal): Promise<ChunkPlace[]> {
    const places: ChunkPlace[] = [];
    for (const chunk of chunks) {
      let place = this.index.find(chunk);
      while (isPagePlace(place)) {
        await (signal === undefined ? this.arrival(place) : new Departure(signal, 1).orAbort(this.arrival(place)));
        place = this.index.find(chunk);
      }
      places.push(place);
    }
    return places;
  }

  /** @param readSync of the source */
  locateSync(chunk: number, readSync: (offset: number, length: number) => Uint8Array): ChunkPlace {
    return this.index.findIn(chunk, readSync);
  }

  /** Readers that need the same page share one fetch, which none of them can abort: pages are small. */
  private arrival(place: PagePlace): Promise<void> {
    const under = this.arriving.get(place.offset);
    if (under !== undefined) return under;
    const arrival = this.fetchPage(place).finally(() => this.arriving.delete(place.offset));
    this.arriving.set(place.offset, arrival);
    return arrival;
  }

  private async fetchPage(place: PagePlace): Promise<void> {
    const atHand = this.shelf?.find(place.digest);
    if (atHand?.length === place.size) {
      this.index.accept(place, atHand);
      return;
    }
    try {
      await this.acceptFetched(place);
    } catch (error) {
      if (!hasCode(error, 'INDEX_DIGEST_MISMATCH')) throw error;
      await this.acceptFetched(place); // damaged on the way, perhaps
    }
  }

  private async acceptFetched(place: PagePlace): Promise<void> {
    const page = await this.source.read(place.offset, place.size);
    this.index.accept(place, page);
    this.shelf?.keep(place.digest, page);
  }
}
