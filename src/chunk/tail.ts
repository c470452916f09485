/** What follows the chunk frames: the INDEX frame and the seek table of the zstd seekable format (docs/format.md, "Tail"). */
import { SEEK_TABLE_FRAME_MAGIC, SEEKABLE_MAGIC, seekTableEntry, seekTableFooter, SKIPPABLE_HEADER_SIZE } from '../format/container.js';

/** @returns a skippable frame around `parts` (RFC 8878 section 3.1.2) */
export function skippableFrame(magic: number, parts: readonly Uint8Array[]): Uint8Array {
  const size = parts.reduce((sum, { length }) => sum + length, 0);
  const frame = new Uint8Array(SKIPPABLE_HEADER_SIZE + size);
  const view = new DataView(frame.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, size, true);
  let at = SKIPPABLE_HEADER_SIZE;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
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
  const table = new Uint8Array(frameCount * seekTableEntry.size + seekTableFooter.size);
  const view = new DataView(table.buffer);
  let at = 0;
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
  seekTableFooter.encode({ frameCount, descriptor: 0, magic: SEEKABLE_MAGIC }, table, at);
  return skippableFrame(SEEK_TABLE_FRAME_MAGIC, [table]);
}
