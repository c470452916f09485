/** What follows the chunk frames: the INDEX frame and the seek table of the zstd seekable format (docs/format.md, "Tail"). */
import { INDEX_FRAME_MAGIC, SEEK_TABLE_FRAME_MAGIC, SEEKABLE_MAGIC, seekTableEntry, seekTableFooter, SKIPPABLE_HEADER_SIZE } from '../format/container.js';

/** @returns what comes before the `size` bytes of a skippable frame (RFC 8878 section 3.1.2) */
export function skippableHeader(magic: number, size: number): Uint8Array {
  const header = new Uint8Array(SKIPPABLE_HEADER_SIZE);
  const view = new DataView(header.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, size, true);
  return header;
}

/**
 * @param pages of the index, in file order
 * @returns INDEX frame and SEEK TABLE frame, in parts that follow one another behind the last chunk frame
 */
export function tailParts(pages: readonly Uint8Array[], facts: Omit<SeekTableFacts, 'indexSize'>): Uint8Array[] {
  const size = pages.reduce((sum, { length }) => sum + length, 0);
  return [skippableHeader(INDEX_FRAME_MAGIC, size), ...pages, seekTableFrame({ ...facts, indexSize: SKIPPABLE_HEADER_SIZE + size })];
}

export interface SeekTableFacts {
  readonly headSize: number;
  /** Of the chunk frames, in order. */
  readonly frameSizes: Iterable<number>;
  readonly rawSize: number;
  readonly chunkSize: number;
  /** Bytes of the whole INDEX frame. */
  readonly indexSize: number;
}

/** @returns frames before the chunks, the chunks, and the index: every frame of the file but the table itself */
export function seekTableFrameCount(chunkCount: number): number {
  return chunkCount + 2;
}

/** @returns the whole SEEK TABLE frame: an entry for each frame of the file, skippable ones with no decompressed bytes */
export function seekTableFrame({ headSize, frameSizes, rawSize, chunkSize, indexSize }: SeekTableFacts): Uint8Array {
  const frameCount = seekTableFrameCount(Math.ceil(rawSize / chunkSize));
  const size = frameCount * seekTableEntry.size + seekTableFooter.size;
  const frame = new Uint8Array(SKIPPABLE_HEADER_SIZE + size);
  frame.set(skippableHeader(SEEK_TABLE_FRAME_MAGIC, size));
  const view = new DataView(frame.buffer);
  let at = SKIPPABLE_HEADER_SIZE;
  const add = (compressedSize: number, decompressedSize: number): void => {
    view.setUint32(at, compressedSize, true); // seekTableEntry
    view.setUint32(at + 4, decompressedSize, true);
    at += seekTableEntry.size;
  };
  add(headSize, 0);
  let left = rawSize;
  for (const frameSize of frameSizes) {
    add(frameSize, Math.min(left, chunkSize));
    left -= chunkSize;
  }
  add(indexSize, 0);
  seekTableFooter.encode({ frameCount, descriptor: 0, magic: SEEKABLE_MAGIC }, frame, at);
  return frame;
}
