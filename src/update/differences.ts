/** What a patch changes in bytes that it takes from the old image (docs/format-patch.md, "Differences"). */
import type { NumberReader } from '../bytes/varint.js';
import { DIFFERENCE_SIZE } from '../format/patch.js';

/** Little-endian numbers added to old bytes, at gaps that are counted over all `old` operations of a batch. */
export class Differences {
  /** Unchanged bytes before the next. */
  private gap: number;

  constructor(private readonly gaps: NumberReader, private readonly values: NumberReader) {
    this.gap = gaps.done ? Infinity : gaps.next();
  }

  /** Whether all were used. */
  get done(): boolean {
    return this.gap === Infinity && this.values.done;
  }

  /** @param bytes of one operation; changed. @throws BAD_FIELD when there are more gaps than values */
  applyTo(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (this.gap < bytes.length - at) {
      at += this.gap;
      const difference = this.values.nextSigned() | 0;
      if (bytes.length - at >= DIFFERENCE_SIZE) view.setInt32(at, view.getInt32(at, true) + difference, true);
      else addToTail(bytes, at, difference);
      at = Math.min(at + DIFFERENCE_SIZE, bytes.length);
      this.gap = this.gaps.done ? Infinity : this.gaps.next();
    }
    this.gap -= bytes.length - at;
  }
}

/** Where an operation ends, a difference has fewer bytes. */
function addToTail(bytes: Uint8Array, from: number, difference: number): void {
  let sum = difference;
  for (let at = bytes.length - 1; at >= from; at--) sum += bytes[at]! * 2 ** (8 * (at - from));
  for (let at = from; at < bytes.length; at++) {
    bytes[at] = sum & 255;
    sum = Math.floor(sum / 256);
  }
}
