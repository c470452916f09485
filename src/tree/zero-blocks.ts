/**
 * Holes by content: an aligned 4 KiB block of zeros is a hole, wherever the bytes come from, so that a sparse file, its dense
 * copy and its tar give one tree (docs/decisions/holes.md). Files below one block are always data and need no look inside.
 */
import { BLOCK_SIZE } from '../units.js';
import type { ByteRange } from '../sys/seek.js';

const zeroBlock = Buffer.alloc(BLOCK_SIZE);

/** Collects the ranges of a file that are not zero from its bytes, which arrive in ascending order. */
export class DataRanges {
  readonly ranges: ByteRange[] = [];
  #start = -1;
  #end = -1;

  /**
   * @param bytes the file's bytes at `position`, a multiple of 4096; a length that is not one is allowed at the end of the file
   *   or of a data range only
   */
  add(bytes: Uint8Array, position: number): void {
    for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
      const end = Math.min(at + BLOCK_SIZE, bytes.length);
      if (!isZero(bytes, at, end)) this.#extend(position + at, position + end);
    }
  }

  /** @returns all ranges, ascending; neighbours are one. */
  finish(): readonly ByteRange[] {
    this.#flush();
    return this.ranges;
  }

  #extend(start: number, end: number): void {
    if (start !== this.#end) {
      this.#flush();
      this.#start = start;
    }
    this.#end = end;
  }

  #flush(): void {
    if (this.#start >= 0) this.ranges.push({ start: this.#start, end: this.#end });
    this.#start = -1;
    this.#end = -1;
  }
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  // Nearly every block of data shows it at its ends; only the others pay for the call.
  if (bytes[start] !== 0 || bytes[end - 1] !== 0) return false;
  return zeroBlock.compare(bytes, start, end, 0, end - start) === 0;
}
