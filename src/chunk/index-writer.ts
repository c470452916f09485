/** Writing the chunk index (docs/format.md, "Chunk index"): level 0 grows with the chunks, the levels above it follow at the end. */
import { chunkEntry, INDEX_PAGE_ENTRIES, pageEntry } from '../format/container.js';
import { DIGEST_SIZE, sha256 } from '../hash/sha256.js';

export interface ChunkIndex {
  /** Pages of the INDEX frame, in file order. */
  readonly pages: readonly Uint8Array[];
  /** The page of the top level, which is in the head. */
  readonly rootPage: Uint8Array;
  readonly rootDigest: Uint8Array;
}

/** Memory: 36 bytes a chunk. */
export class IndexWriter {
  private readonly full: Uint8Array[] = [];
  private page = new Uint8Array(INDEX_PAGE_ENTRIES * chunkEntry.size);
  private entries = 0;

  get chunkCount(): number {
    return this.full.length * INDEX_PAGE_ENTRIES + this.entries;
  }

  /**
   * @param frameSize bytes of the chunk's frame
   * @param ids chunk ids
   * @param at where in `ids` this chunk's begins
   */
  add(frameSize: number, ids: Uint8Array, at: number): void {
    if (this.entries === INDEX_PAGE_ENTRIES) {
      this.full.push(this.page);
      this.page = new Uint8Array(INDEX_PAGE_ENTRIES * chunkEntry.size);
      this.entries = 0;
    }
    const entry = this.entries++ * chunkEntry.size;
    new DataView(this.page.buffer).setUint32(entry, frameSize, true); // chunkEntry.frameSize
    this.page.set(ids.subarray(at, at + DIGEST_SIZE), entry + FRAME_SIZE_BYTES);
  }

  /** @returns the sizes of all frames, in order. */
  *frameSizes(): Generator<number> {
    for (const page of this.levelZero()) {
      const view = new DataView(page.buffer, page.byteOffset, page.length);
      for (let at = 0; at < page.length; at += chunkEntry.size) yield view.getUint32(at, true);
    }
  }

  finish(): ChunkIndex {
    let level = this.levelZero();
    let sizes = level.map((page) => sumFrames(page));
    const pages: Uint8Array[] = [];
    while (level.length > 1) {
      for (const page of level) pages.push(page); // more than a call takes arguments, of an image of terabytes
      [level, sizes] = levelAbove(level, sizes);
    }
    const rootPage = level[0]!;
    return { pages, rootPage, rootDigest: sha256(rootPage) };
  }

  private levelZero(): Uint8Array[] {
    return [...this.full, this.page.subarray(0, this.entries * chunkEntry.size)];
  }
}

const FRAME_SIZE_BYTES = chunkEntry.offsetOf('chunkId');

function sumFrames(page: Uint8Array): number {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  let sum = 0;
  for (let at = 0; at < page.length; at += chunkEntry.size) sum += view.getUint32(at, true);
  return sum;
}

function levelAbove(level: readonly Uint8Array[], sizes: readonly number[]): [Uint8Array[], number[]] {
  const pages: Uint8Array[] = [];
  const sums: number[] = [];
  for (let first = 0; first < level.length; first += INDEX_PAGE_ENTRIES) {
    const below = level.slice(first, first + INDEX_PAGE_ENTRIES);
    const page = new Uint8Array(below.length * pageEntry.size);
    below.forEach((child, i) => pageEntry.encode({ framesSize: BigInt(sizes[first + i]!), pageDigest: sha256(child) }, page, i * pageEntry.size));
    pages.push(page);
    sums.push(below.reduce((sum, _, i) => sum + sizes[first + i]!, 0));
  }
  return [pages, sums];
}
