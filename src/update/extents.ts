/** Parts of a raw image put together without the holes between them: a file as it lies there, or all that belongs to no file. */
import type { Image } from '../image/image.js';
import type { FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE, MiB, roundUp } from '../units.js';

/** Longer ranges pass the image's memory by. */
const KEPT_MAX = 8 * MiB;

export interface RawRange { readonly offset: number; readonly length: number }

export class Extents {
  readonly size: number;
  private readonly starts: readonly number[];

  constructor(readonly ranges: readonly RawRange[]) {
    let size = 0;
    this.starts = ranges.map(({ length }) => (size += length) - length);
    this.size = size;
  }

  /** Whole blocks, also the last. What lies in the inode is left out. */
  static ofFile({ content: { size, pieces } }: FileNode): Extents {
    const ranges: RawRange[] = [];
    for (const { offset, length, source, sourceOffset } of pieces) {
      if (!(source instanceof Uint8Array)) ranges.push({ offset: sourceOffset, length: offset + length === size ? roundUp(sourceOffset + length, BLOCK_SIZE) - sourceOffset : length });
    }
    return new Extents(ranges);
  }

  /** @returns where these bytes lie in the raw image, in order */
  *locate(from: number, length: number): Generator<RawRange> {
    let [low, high] = [0, this.ranges.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.starts[middle]! <= from) low = middle;
      else high = middle;
    }
    for (let at = from; at < from + length; low++) {
      const range = this.ranges[low]!;
      const skip = at - this.starts[low]!;
      const count = Math.min(range.length - skip, from + length - at);
      if (count > 0) yield { offset: range.offset + skip, length: count };
      at += Math.max(0, count);
    }
  }

  /** @param target as long as what is read; its memory may serve for the next */
  async readInto(target: Uint8Array, image: Image, from: number, options: ReadOptions): Promise<void> {
    let done = 0;
    for (const range of this.locate(from, target.length)) {
      if (range.length <= KEPT_MAX) await image.readInto(range.offset, target.subarray(done, done + range.length), options); // neighbours share chunks, which stay in memory
      else for await (const { offset, bytes } of image.chunks(range.offset, range.offset + range.length, options)) target.set(bytes, done + offset - range.offset);
      done += range.length;
    }
  }

  async read(image: Image, from: number, length: number, options: ReadOptions): Promise<Uint8Array> {
    const target = new Uint8Array(length);
    await this.readInto(target, image, from, options);
    return target;
  }
}
