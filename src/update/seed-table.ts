/** Places of old data by what stands there. One table serves file after file; its memory is as large as the largest needed: 64 MiB at most. */

/** Bytes that must be equal for a place to be found. */
export const SEED = 12;
/** Of more positions than this, each second, third … is in the table. */
const POSITIONS_MAX = 1 << 23;

export class SeedTable {
  /** Old bytes from one position in the table to the next. */
  stride = 1;
  /** Of each position in the table the next one of the same hash; -1 = none. */
  next = new Int32Array(0);
  /** Of each hash the first position. */
  private heads = new Int32Array(0);
  private shift = 0;
  private old: Uint8Array | undefined;

  /** Does nothing when it was filled from this very array last. @param stride at least; more of large data */
  fill(old: Uint8Array, stride: number): void {
    if (this.old === old) return;
    this.old = old;
    this.stride = Math.max(stride, Math.ceil(old.length / POSITIONS_MAX));
    const count = Math.max(0, Math.floor((old.length - SEED) / this.stride) + 1);
    const bits = Math.min(Math.log2(POSITIONS_MAX), Math.max(8, Math.ceil(Math.log2(count + 1))));
    this.shift = 32 - bits;
    if (this.heads.length < 2 ** bits) this.heads = new Int32Array(2 ** bits);
    if (this.next.length < count) this.next = new Int32Array(count);
    this.heads.fill(-1, 0, 2 ** bits);
    const { heads, next, shift, stride: step } = this;
    for (let i = count - 1; i >= 0; i--) {
      const slot = hashAt(old, i * step) >>> shift;
      next[i] = heads[slot]!;
      heads[slot] = i;
    }
  }

  /** @returns the first position; -1 = none */
  first(now: Uint8Array, at: number): number {
    return this.heads[hashAt(now, at) >>> this.shift]!;
  }
}

function hashAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
  const b = bytes[at + 4]! | bytes[at + 5]! << 8 | bytes[at + 6]! << 16 | bytes[at + 7]! << 24;
  const c = bytes[at + 8]! | bytes[at + 9]! << 8 | bytes[at + 10]! << 16 | bytes[at + 11]! << 24;
  const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  const all = Math.imul(mixed ^ mixed >>> 15, 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f);
  return Math.imul(all ^ all >>> 13, 0x9e3779b1);
}
