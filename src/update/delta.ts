/**
 * Where old data go on inside new ones, approximately: as bsdiff does it (Colin Percival, "Naive differences of executable code", 2003),
 * with a hash table over a part of the old positions in the place of a suffix array.
 */

/** Bytes that must be equal for a place to be found. */
const SEED = 12;
/** Places tried for one position. */
const CANDIDATES = 16;
/** Equal bytes that another alignment must have more than the one that holds. */
const GAIN = 8;
/** Equal bytes more when it is further away than a reader of 64 KiB chunks likes to go: decompressing a chunk for some bytes costs more than they do. */
const GAIN_FAR = 20;
const FAR = 64 * 1024;
/** Equal bytes that are counted at most: a longer run is followed by the alignment itself. */
const LOOK = 4096;
/** Old positions in the table: 64 MiB of it. Of more bytes than this, each second, third … is in it. */
const POSITIONS_MAX = 1 << 23;
/** An extension backwards is given up when it has lost so many bytes. */
const LOSS_MAX = 256;
/** After so many equal bytes, a few that differ before as many that are equal again need no other alignment: most small changes need no table at all. */
const STEADY = 256;
const FEW = 64;

/** A run of the new data: `length` bytes at `start` resemble those at `old`; -1 = nothing. */
export interface Alignment { readonly start: number; readonly length: number; readonly old: number }

/** Places of the old data by what stands there. Memory: 8 bytes a position. */
class SeedTable {
  readonly stride: number;
  readonly next: Int32Array;
  private readonly heads: Int32Array;
  private readonly shift: number;

  constructor(old: Uint8Array) {
    this.stride = Math.max(1, Math.ceil(old.length / POSITIONS_MAX));
    const count = Math.max(0, Math.floor((old.length - SEED) / this.stride) + 1);
    const bits = Math.max(8, Math.ceil(Math.log2(count + 1)));
    this.shift = 32 - bits;
    this.heads = new Int32Array(2 ** bits).fill(-1);
    this.next = new Int32Array(count);
    for (let i = count - 1; i >= 0; i--) {
      const slot = hashAt(old, i * this.stride) >>> this.shift;
      this.next[i] = this.heads[slot]!;
      this.heads[slot] = i;
    }
  }

  /** @returns the first place; -1 = none */
  first(now: Uint8Array, at: number): number {
    return this.heads[hashAt(now, at) >>> this.shift]!;
  }
}

/** The table is made when it is needed. */
export class DeltaIndex {
  private table: SeedTable | undefined;

  /** @param old stays referenced; at most 2 GiB */
  constructor(readonly old: Uint8Array) {}

  /**
   * @param expected where in the old data the new ones probably begin
   * @returns alignments that tile `now`
   */
  align(now: Uint8Array, expected = 0): Alignment[] {
    const found: Alignment[] = [];
    const add = (start: number, end: number, old: number): void => { if (end > start) found.push({ start, length: end - start, old }); };
    let [from, shift, looked] = [0, expected, 0]; // the alignment that holds: now[i] ~ old[i + shift], from here on
    while (from < now.length) {
      const match = this.leave(now, looked, shift);
      const ahead = this.extendForwards(now, from, match.at, shift);
      const [end, start] = match.old < 0 ? [ahead, now.length] : this.divide(now, shift, ahead, match, from);
      add(from, end, from + shift);
      add(end, start, -1);
      [from, shift, looked] = [start, match.old - match.at, match.at];
    }
    return found;
  }

  /** @returns the next position from where another alignment is better */
  private leave(now: Uint8Array, from: number, shift: number): { readonly at: number; readonly old: number } {
    const { old } = this;
    for (let at = from; at + SEED <= now.length;) {
      const run = runLength(now, at, old, at + shift, now.length);
      if (run >= SEED) {
        at += run;
        if (run >= STEADY) at = this.resume(now, at, shift);
        continue;
      }
      const { length, place } = this.longest(now, at, at + shift);
      if (length < SEED) at++;
      else {
        const held = countEqual(now, at, old, at + shift, length);
        if (length > held + (Math.abs(place - at - shift) > FAR ? GAIN_FAR : GAIN)) return { at, old: place };
        at += Math.max(1, length >> 1); // what holds is nearly as good all the way
      }
    }
    return { at: now.length, old: -1 };
  }

  /** @returns where what holds is equal for long again, if that is near; else `at` */
  private resume(now: Uint8Array, at: number, shift: number): number {
    for (let next = at + 1; next <= at + FEW; next++) {
      const run = runLength(now, next, this.old, next + shift, next + STEADY);
      if (run === STEADY) return next;
      next += run;
    }
    return at;
  }

  private longest(now: Uint8Array, at: number, except: number): { readonly length: number; readonly place: number } {
    const { old } = this;
    const { stride, next } = this.table ??= new SeedTable(old);
    let [length, place] = [0, -1];
    let i = this.table.first(now, at);
    for (let tried = 0; i >= 0 && tried < CANDIDATES; tried++, i = next[i]!) {
      const candidate = i * stride;
      if (candidate === except || (length > 0 && now[at + length] !== old[candidate + length])) continue;
      const run = runLength(now, at, old, candidate, at + LOOK);
      if (run > length) [length, place] = [run, candidate];
    }
    return { length, place };
  }

  /** @returns the end of the part of now[from, to) in which more than half of the bytes agree, as far as it pays */
  private extendForwards(now: Uint8Array, from: number, to: number, shift: number): number {
    const { old } = this;
    const stop = Math.min(to, old.length - shift);
    let [score, best, end] = [0, 0, from];
    for (let at = from; at < stop; at++) {
      score += now[at] === old[at + shift] ? 1 : -1;
      if (score > best) [best, end] = [score, at + 1];
    }
    return end;
  }

  /** Extends the match backwards; where it meets what was extended forwards, the cut is put where most bytes agree. */
  private divide(now: Uint8Array, shift: number, ahead: number, match: { readonly at: number; readonly old: number }, from: number): readonly [end: number, start: number] {
    const { old } = this;
    const next = match.old - match.at;
    let [score, best, start] = [0, 0, match.at];
    for (let at = match.at - 1; at >= from && at + next >= 0 && best - score < LOSS_MAX; at--) {
      score += now[at] === old[at + next] ? 1 : -1;
      if (score > best) [best, start] = [score, at];
    }
    if (start >= ahead) return [ahead, start];
    let [gain, most, cut] = [0, 0, start];
    for (let at = start; at < ahead; at++) {
      gain += Number(now[at] === old[at + shift]) - Number(now[at] === old[at + next]);
      if (gain > most) [most, cut] = [gain, at + 1];
    }
    return [cut, cut];
  }
}

function runLength(now: Uint8Array, at: number, old: Uint8Array, place: number, most: number): number {
  if (place < 0) return 0;
  const end = Math.min(now.length, most, at + old.length - place);
  let i = at;
  for (let j = place; i < end && now[i] === old[j]; i++) j++;
  return i - at;
}

function countEqual(now: Uint8Array, at: number, old: Uint8Array, place: number, length: number): number {
  let count = 0;
  const end = Math.min(length, old.length - place);
  for (let i = Math.max(0, -place); i < end; i++) if (now[at + i] === old[place + i]) count++;
  return count;
}

function hashAt(bytes: Uint8Array, at: number): number {
  const a = bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24;
  const b = bytes[at + 4]! | bytes[at + 5]! << 8 | bytes[at + 6]! << 16 | bytes[at + 7]! << 24;
  const c = bytes[at + 8]! | bytes[at + 9]! << 8 | bytes[at + 10]! << 16 | bytes[at + 11]! << 24;
  const mixed = Math.imul(a, 0x9e3779b1) ^ Math.imul(b, 0x85ebca6b);
  const all = Math.imul(mixed ^ mixed >>> 15, 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f);
  return Math.imul(all ^ all >>> 13, 0x9e3779b1);
}
