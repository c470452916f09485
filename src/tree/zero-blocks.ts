/**
 * Holes by content: an aligned 4 KiB block of zeros is a hole, wherever the bytes come from, so that a sparse file, its dense
 * copy and its tar give one tree (docs/decisions/holes.md). Files below one block are always data and need no look inside.
 */
import { BLOCK_SIZE } from '../units.js';
import type { ByteRange } from '../sys/seek.js';

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

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  // Nearly every block of data shows it at its ends; only the others pay for the call.
  if (bytes[start] !== 0 || bytes[end - 1] !== 0) return false;
  return zeroBlock.compare(bytes, start, end, 0, end - start) === 0;
}
