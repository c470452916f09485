/**
 * Holes by content, wherever the bytes come from, so that a sparse file, its dense copy and its tar give one tree. A file with a
 * window of zeros is sparse: all its blocks of zeros are holes. Any other has none (docs/decisions/holes.md says why).
 */
import { BLOCK_SIZE, KiB } from '../units.js';
import type { ByteRange } from '../sys/seek.js';

/** Windows are cut at multiples of this; the last one ends with the file. Smaller files have none. */
export const HOLE_WINDOW = 64 * KiB;

const zeroBlock = Buffer.alloc(BLOCK_SIZE);

/**
 * Looks at `bytes` block by block of the file that they belong to.
 *
 * @param position of `bytes` in the file; blocks are cut at its multiples of 4096
 * @returns runs of blocks that are not zero, as positions in the file, ascending; neighbours are one
 */
export function dataRuns(bytes: Uint8Array, position: number): ByteRange[] {
  const runs: ByteRange[] = [];
  let start = -1;
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    end = Math.min(at + BLOCK_SIZE - (position + at) % BLOCK_SIZE, bytes.length);
    if (!isZero(bytes, at, end)) {
      if (start < 0) start = at;
    } else if (start >= 0) {
      runs.push({ start: position + start, end: position + at });
      start = -1;
    }
  }
  if (start >= 0) runs.push({ start: position + start, end: position + bytes.length });
  return runs;
}

/** @returns whether bytes [start, end), at most a block of them, are all zero. */
function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  // Nearly every block of data shows it at its ends; only the others pay for the call.
  if (bytes[start] !== 0 || bytes[end - 1] !== 0) return false;
  return zeroBlock.compare(bytes, start, end, 0, end - start) === 0;
}
