/** The chunk index of a lazy image: what of it is not here comes from the origins. */
import { isPagePlace, type ChunkPlace, type PagePlace } from '../chunk/index-reader.js';
import { ignoreFailure } from '../store/departure.js';
import type { LocalIndex } from './local-index.js';

/** Pages that one request brings at most: together 128 MiB of raw image at 64 KiB a chunk, in 72 KiB. */
const PAGES_PER_REQUEST = 2;

export class LazyIndex {
  private readonly arriving = new Map<number, Promise<void>>();

  /** @param fetch bytes of the image file */
  constructor(private readonly local: LocalIndex, private readonly fetch: <T>(offset: number, length: number, judge: (bytes: Uint8Array) => T) => Promise<T>) {}

  /** @throws INDEX_DIGEST_MISMATCH when no origin has the right page; what fetching throws */
  async locate(chunks: readonly number[], signal?: AbortSignal): Promise<ChunkPlace[]> {
    const places: ChunkPlace[] = [];
    for (const chunk of chunks) {
      let place = this.local.descend(chunk);
      while (isPagePlace(place)) {
        signal?.throwIfAborted();
        await this.arrival(place);
        place = this.local.descend(chunk);
      }
      places.push(place);
    }
    return places;
  }

  /**
   * Sends for the page that tells of a chunk, if it is not here; nobody waits for it yet.
   *
   * @param pages that one request may bring
   */
  hasten(chunk: number, pages = PAGES_PER_REQUEST): void {
    const place = this.local.descend(chunk);
    if (isPagePlace(place)) ignoreFailure(this.arrival(place, pages));
  }

  private arrival(place: PagePlace, most = PAGES_PER_REQUEST): Promise<void> {
    const under = this.arriving.get(place.offset);
    if (under !== undefined) return under;
    const pages = this.local.reader.around(place, most);
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
        try {
          this.local.accept(page, bytes.slice(page.offset - start, page.offset - start + page.size));
        } catch (error) {
          if (page.offset === wanted.offset) throw error;
        }
      }
    });
  }
}
