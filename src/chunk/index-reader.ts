/**
 * Finds chunks through the index (docs/format.md, "Chunk index"): a tree of pages whose root is in the head.
 *
 * The reader does no I/O. It names the page that it needs next, somebody fetches it, and it is checked before it is
 * believed; so one implementation serves synchronous and asynchronous callers.
 */
import { ThawfsError } from '../errors.js';
import { toSafeNumber } from '../bytes/struct.js';
import { toHex } from '../bytes/hex.js';
import { chunkEntry, INDEX_PAGE_ENTRIES, pageEntry, SKIPPABLE_HEADER_SIZE } from '../format/container.js';
import { sha256 } from '../hash/sha256.js';

/** Where a chunk is, and the digest that vouches for it. */
export interface ChunkPlace {
  readonly number: number;
  /** Raw bytes. */
  readonly size: number;
  /** File offset and bytes of its frame. */
  readonly frameOffset: number;
  readonly frameSize: number;
  /** SHA-256 over the leaf digests: 32 bytes, a view of the page; do not write into it. */
  readonly id: Uint8Array;
}

/** What a page stands for. */
interface PageSpan {
  readonly level: number;
  /** Position on its level. */
  readonly number: number;
  /** Of all chunk frames below it: file offset of the first, bytes in all. */
  readonly framesOffset: number;
  readonly framesSize: number;
}

/** A page that must be given to {@link IndexReader.accept} before the chunk can be found. */
export interface PagePlace extends PageSpan {
  /** File offset and bytes. */
  readonly offset: number;
  readonly size: number;
  readonly digest: Uint8Array;
}

export interface IndexGeometry {
  readonly chunkCount: number;
  /** Raw bytes of a chunk, and of the whole image. */
  readonly chunkSize: number;
  readonly rawSize: number;
  /** File offsets of the first chunk frame and of the INDEX frame: all frames lie between them. */
  readonly framesOffset: number;
  readonly indexOffset: number;
  /** The most bytes that a frame may have. */
  readonly maxFrameSize: number;
}

/** Pages kept in memory: 256 pages of 1024 chunks cover 16 GiB of raw image at 64 KiB, and cost 12 MiB. */
const PAGES_KEPT = 256;

export class IndexReader {
  /** Pages on each level, level 0 first; the last is 1, the root. */
  private readonly pageCounts: readonly number[];
  private readonly root: Page;
  /** Least recently used first. */
  private readonly pages = new Map<string, Page>();

  /**
   * @param rootPage from the head, its digest already compared with the manifest's
   * @param pagesKept at least the depth of the tree
   * @throws LIMIT_EXCEEDED for a frame size that no frame can have; STRUCTURE_INVALID when sizes contradict each other
   */
  constructor(private readonly geometry: IndexGeometry, rootPage: Uint8Array, private readonly pagesKept = PAGES_KEPT) {
    this.pageCounts = pageCountsOf(geometry.chunkCount);
    const level = this.pageCounts.length - 1;
    const { framesOffset, indexOffset } = geometry;
    this.root = this.decode({ level, number: 0, framesOffset, framesSize: indexOffset - framesOffset }, rootPage);
  }

  /** Bytes of the INDEX frame that follow its header: all pages but the root. */
  get pagesSize(): number {
    return this.pageOffset(this.pageCounts.length - 1, 0) - this.pageOffset(0, 0);
  }

  /**
   * @param chunk 0 to chunkCount - 1
   * @returns where it is, or the page that is needed to say so
   */
  find(chunk: number): ChunkPlace | PagePlace {
    let page = this.root;
    for (;;) {
      const { level, number } = page.span;
      const child = Math.floor(chunk / INDEX_PAGE_ENTRIES ** level);
      const entry = child - number * INDEX_PAGE_ENTRIES;
      if (level === 0) return this.chunkPlace(page, chunk, entry);
      const next = this.pages.get(pageKey(level - 1, child));
      if (next === undefined) return this.pagePlace(page, child, entry);
      this.touch(next);
      page = next;
    }
  }

  /**
   * As {@link IndexReader.find}, out of a file that is here as a whole.
   *
   * @param readSync bytes of the file, kept as in {@link IndexReader.accept}
   * @throws as {@link IndexReader.accept}; what `readSync` throws
   */
  findIn(chunk: number, readSync: (offset: number, length: number) => Uint8Array): ChunkPlace {
    let place = this.find(chunk);
    while (isPagePlace(place)) {
      this.accept(place, readSync(place.offset, place.size));
      place = this.find(chunk);
    }
    return place;
  }

  /**
   * Takes a page that {@link IndexReader.find} named.
   *
   * @param bytes `place.size` bytes; kept, the caller must not write into them any more
   * @throws INDEX_DIGEST_MISMATCH when they are not the page; LIMIT_EXCEEDED, STRUCTURE_INVALID as the constructor
   */
  accept(place: PagePlace, bytes: Uint8Array): void {
    const digest = sha256(bytes);
    if (Buffer.compare(digest, place.digest) !== 0) {
      const { level, number, offset, size } = place;
      throw new ThawfsError('INDEX_DIGEST_MISMATCH', `index page ${number} of level ${level} (file bytes ${offset}-${offset + size - 1}): `
        + `sha256 is ${toHex(digest)}, its parent says ${toHex(place.digest)}`, {
        detail: { level, page: number, offset, length: size, expected: toHex(place.digest), actual: toHex(digest) },
        suggestion: 'Fetch or copy the image again.',
      });
    }
    this.touch(this.decode(place, bytes));
  }

  /** @returns a page that {@link IndexReader.find} named and its neighbours that are not here either: at most `most`, without gaps, under one parent */
  around(place: PagePlace, most: number): PagePlace[] {
    const above = place.level + 1;
    const parent = above === this.pageCounts.length - 1 ? this.root : this.pages.get(pageKey(above, Math.floor(place.number / INDEX_PAGE_ENTRIES)));
    if (parent === undefined) return [place];
    const first = parent.span.number * INDEX_PAGE_ENTRIES;
    const isMissing = (child: number): boolean => child >= first && child < first + parent.positions.length - 1 && !this.pages.has(pageKey(place.level, child));
    const end = place.number - place.number % most + most;
    let [from, to] = [place.number, place.number + 1];
    while (from > end - most && isMissing(from - 1)) from--;
    while (to < end && isMissing(to)) to++;
    return Array.from({ length: to - from }, (_, i) => this.pagePlace(parent, from + i, from + i - first));
  }

  private touch(page: Page): void {
    const key = pageKey(page.span.level, page.span.number);
    this.pages.delete(key);
    this.pages.set(key, page);
    if (this.pages.size <= this.pagesKept) return;
    for (const oldest of this.pages.keys()) {
      this.pages.delete(oldest);
      return;
    }
  }

  /** Turns sizes into positions, and refuses those that cannot be. */
  private decode(span: PageSpan, bytes: Uint8Array): Page {
    const { level, number, framesOffset, framesSize } = span;
    const label = `index page ${number} of level ${level}`;
    const count = this.entriesIn(level, number);
    if (bytes.length !== count * entrySize(level)) {
      throw new ThawfsError('STRUCTURE_INVALID', `${label}: has ${bytes.length} bytes, ${count} entries need ${count * entrySize(level)}`, { detail: { level, page: number } });
    }
    const most = this.geometry.maxFrameSize * INDEX_PAGE_ENTRIES ** level;
    const positions = new Float64Array(count + 1);
    positions[0] = framesOffset;
    for (let entry = 0; entry < count; entry++) {
      const size = sizeInEntry(level, bytes, entry);
      if (size === 0 || size > most) {
        throw new ThawfsError('LIMIT_EXCEEDED', `${label}, entry ${entry}: ${size} bytes of frames, 1 to ${most} are allowed`, { detail: { level, page: number, entry, size } });
      }
      positions[entry + 1] = positions[entry]! + size;
    }
    if (positions[count] !== framesOffset + framesSize) {
      throw new ThawfsError('STRUCTURE_INVALID', `${label}: its frames end at file byte ${positions[count]}, expected ${framesOffset + framesSize}`, { detail: { level, page: number } });
    }
    return { span, bytes, positions };
  }

  private chunkPlace({ bytes, positions }: Page, chunk: number, entry: number): ChunkPlace {
    const { chunkSize, rawSize } = this.geometry;
    const idOffset = entry * chunkEntry.size + chunkEntry.offsetOf('chunkId');
    return {
      number: chunk, size: Math.min(chunkSize, rawSize - chunk * chunkSize),
      frameOffset: positions[entry]!, frameSize: positions[entry + 1]! - positions[entry]!,
      id: bytes.subarray(idOffset, (entry + 1) * chunkEntry.size),
    };
  }

  private pagePlace({ span, bytes, positions }: Page, child: number, entry: number): PagePlace {
    const level = span.level - 1;
    const digestOffset = entry * pageEntry.size + pageEntry.offsetOf('pageDigest');
    return {
      level, number: child, offset: this.pageOffset(level, child), size: this.entriesIn(level, child) * entrySize(level),
      digest: bytes.subarray(digestOffset, (entry + 1) * pageEntry.size),
      framesOffset: positions[entry]!, framesSize: positions[entry + 1]! - positions[entry]!,
    };
  }

  /** Every page is full but the last of its level, so its place is computed. */
  private pageOffset(level: number, number: number): number {
    let offset = this.geometry.indexOffset + SKIPPABLE_HEADER_SIZE + number * INDEX_PAGE_ENTRIES * entrySize(level);
    for (let below = 0; below < level; below++) offset += this.entriesOn(below) * entrySize(below);
    return offset;
  }

  private entriesIn(level: number, number: number): number {
    return Math.min(INDEX_PAGE_ENTRIES, this.entriesOn(level) - number * INDEX_PAGE_ENTRIES);
  }

  private entriesOn(level: number): number {
    return level === 0 ? this.geometry.chunkCount : this.pageCounts[level - 1]!;
  }
}

/** @returns the first chunk that a page does not tell of */
export function endOfPage({ level, number }: PagePlace): number {
  return (number + 1) * INDEX_PAGE_ENTRIES ** (level + 1);
}

/** @returns whether {@link IndexReader.find} needs a page first */
export function isPagePlace(place: ChunkPlace | PagePlace): place is PagePlace {
  return 'level' in place;
}

interface Page {
  readonly span: PageSpan;
  readonly bytes: Uint8Array;
  /** File offset of what each entry stands for, and the end of the last. */
  readonly positions: Float64Array;
}

function pageCountsOf(chunkCount: number): number[] {
  const counts: number[] = [];
  let count = chunkCount;
  do {
    count = Math.ceil(count / INDEX_PAGE_ENTRIES);
    counts.push(count);
  } while (count > 1);
  return counts;
}

function pageKey(level: number, number: number): string {
  return `${level}.${number}`;
}

function entrySize(level: number): number {
  return level === 0 ? chunkEntry.size : pageEntry.size;
}

/** A field read without decoding the record: a page has 1024 of them, and the rest is wanted for few. */
function sizeInEntry(level: number, bytes: Uint8Array, entry: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return level === 0
    ? view.getUint32(entry * chunkEntry.size + chunkEntry.offsetOf('frameSize'), true)
    : toSafeNumber(view.getBigUint64(entry * pageEntry.size + pageEntry.offsetOf('framesSize'), true), 'page entry.framesSize');
}
