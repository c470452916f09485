/** The whole chunk index of an image in flat arrays: 48 bytes a chunk, so that images of 20 GB compare in little memory. */
import { fromBytes } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import { zeroChunkId } from '../chunk/zero-chunk.js';
import { INDEX_PAGE_ENTRIES } from '../format/container.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import type { Image } from '../image/image.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ChunkRef } from '../store/chunk-store.js';

/** Index pages asked for at a time. */
const PAGES_UNDER_WAY = 8;

export class ChunkTable {
  readonly count: number;
  readonly chunkSize: number;
  private readonly rawSize: number;
  private readonly ids: Uint8Array;
  private readonly sizes: Uint32Array;
  private readonly offsets: Float64Array;
  private readonly zeroId: Uint8Array;

  private constructor({ manifest }: Image) {
    const { chunkCount, chunkSize } = manifest.index;
    [this.count, this.chunkSize, this.rawSize] = [chunkCount, chunkSize, manifest.raw.size];
    this.ids = new Uint8Array(chunkCount * DIGEST_SIZE);
    this.sizes = new Uint32Array(chunkCount);
    this.offsets = new Float64Array(chunkCount);
    this.zeroId = zeroChunkId(chunkSize, parseHex(manifest.verity.salt, 'manifest.verity.salt'));
  }

  /** @throws what Image.locate throws */
  static async read(image: Image, options: ReadOptions = {}): Promise<ChunkTable> {
    const table = new ChunkTable(image);
    for (let first = 0; first < table.count; first += PAGES_UNDER_WAY * INDEX_PAGE_ENTRIES) {
      const pages = Array.from({ length: PAGES_UNDER_WAY }, (_, i) => first + i * INDEX_PAGE_ENTRIES).filter((from) => from < table.count);
      await Promise.all(pages.map(async (from) => {
        for (const { number, frameOffset, frameSize, id } of await image.locate(from, Math.min(from + INDEX_PAGE_ENTRIES, table.count), options)) {
          table.ids.set(id, number * DIGEST_SIZE);
          table.sizes[number] = frameSize;
          table.offsets[number] = frameOffset;
        }
      }));
    }
    return table;
  }

  /** @returns the chunk's place; its id is a view */
  place(number: number): ChunkRef {
    return {
      number, size: Math.min(this.chunkSize, this.rawSize - number * this.chunkSize), frameOffset: this.offsets[number]!, frameSize: this.sizes[number]!,
      id: this.ids.subarray(number * DIGEST_SIZE, (number + 1) * DIGEST_SIZE),
    };
  }

  frameSize(number: number): number {
    return this.sizes[number]!;
  }

  /** @returns whether the chunk of this number is the same in both */
  sameChunk(number: number, other: ChunkTable): boolean {
    const [start, end] = [number * DIGEST_SIZE, (number + 1) * DIGEST_SIZE];
    return Buffer.compare(this.ids.subarray(start, end), other.ids.subarray(start, end)) === 0;
  }

  /** @returns whether it is a whole chunk of zeros */
  isZero(number: number): boolean {
    return Buffer.compare(this.ids.subarray(number * DIGEST_SIZE, (number + 1) * DIGEST_SIZE), this.zeroId) === 0;
  }

  frameSizes(): Iterable<number> {
    return this.sizes;
  }

  /** @returns the chunk's id as a map key */
  key(number: number): string {
    return fromBytes(this.ids.subarray(number * DIGEST_SIZE, (number + 1) * DIGEST_SIZE));
  }

  /** @returns the first chunk of each id, by {@link ChunkTable.key} */
  firstByKey(): Map<string, number> {
    const first = new Map<string, number>();
    for (let number = this.count - 1; number >= 0; number--) first.set(this.key(number), number);
    return first;
  }
}
