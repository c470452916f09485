/**
 * Where old data go on inside new ones, approximately: as bsdiff does it (Colin Percival, "Naive differences of executable code", 2003),
 * with a hash table over a part of the old positions in the place of a suffix array.
 */

import { equalRun } from '../bytes/equal-run.js';
import type { Effort } from './effort.js';
import { SEED, SeedTable } from './seed-table.js';

/** Equal bytes that another alignment must have more than the one that holds. */
const GAIN = 6;
/** The same of one that is far away. */
const GAIN_FAR = 20;
/** Further than a reader of 64 KiB chunks likes to go: decompressing a chunk for some bytes costs more than they do. */
const FAR = 64 * 1024;
/** Equal bytes that are counted at most: a longer run is followed by the alignment itself. */
const LOOK = 4096;
/** An extension backwards is given up when it has lost so many bytes. */
const LOSS_MAX = 256;
/** After so many equal bytes, a few that differ before as many that are equal again need no other alignment: most small changes need no table at all. */
const STEADY = 256;
const FEW = 64;
/** So far ahead an alignment is judged good enough. */
const AHEAD = 32;
/** A stretch is new rather than different where fewer than one byte in so many agrees, and where it outweighs as many bytes: a page that was written anew. */
const ALIKE_MIN = 8;
const STRETCH_MIN = 64;

/** A run of the new data: `length` bytes at `start` resemble those at `old`; -1 = nothing. */
export interface Alignment { readonly start: number; readonly length: number; readonly old: number }

/** Bytes from `at` on are those from `old` on. */
interface Match { readonly at: number; readonly old: number }

export class Aligner {
  private readonly table = new SeedTable();

  constructor(private readonly effort: Effort) {}

  /**
   * @param old at most 2 GiB; the table of it is made when it is needed, and kept until that of others is
   * @param expected where in the old data the new ones probably begin
   * @param far how far away another place must be to be worth less; Infinity where all of the old data are in the reader's memory anyway
   * @returns alignments that tile `now`
   */
  align(old: Uint8Array, now: Uint8Array, expected = 0, far = FAR): Alignment[] {
    const found: Alignment[] = [];
    const push = (start: number, end: number, place: number): void => { if (end > start) found.push({ start, length: end - start, old: place }); };
    const add = (start: number, end: number, place: number): void => {
      if (place >= 0) for (const stretch of newStretches(old, now, start, end, place)) {
        push(start, stretch.start, place);
        push(stretch.start, stretch.end, -1);
        [place, start] = [place + stretch.end - start, stretch.end];
      }
      push(start, end, place);
    };
    let [from, shift, looked] = [0, expected, 0]; // the alignment that holds: now[i] ~ old[i + shift], from here on
    while (from < now.length) {
      const match = this.leave(old, now, looked, shift, far);
      const ahead = extendForwards(old, now, from, match.at, shift);
      const [end, start] = match.old < 0 ? [ahead, now.length] : divide(old, now, shift, ahead, match, from);
      add(from, end, from + shift);
      add(end, start, -1);
      [from, shift, looked] = [start, match.old - match.at, match.at];
    }
    return found;
  }

  /** @returns the next position from where another alignment is better */
  private leave(old: Uint8Array, now: Uint8Array, from: number, shift: number, far: number): Match {
    const { patience, content } = this.effort;
    let vain = 0;
    for (let at = from; at + SEED <= now.length;) {
      const run = runLength(now, at, old, at + shift, now.length);
      if (run >= SEED) {
        at += run;
        if (run >= STEADY) at = resume(old, now, at, shift);
        continue;
      }
      if (countEqual(now, at, old, at + shift, Math.min(AHEAD, now.length - at)) >= content) {
        at += AHEAD >> 1;
        continue;
      }
      const { length, place } = this.longest(old, now, at, at + shift);
      if (length < SEED) at += 1 + Math.floor(vain++ / patience);
      else {
        vain = 0;
        const held = countEqual(now, at, old, at + shift, length);
        if (length > held + (Math.abs(place - at - shift) > far ? GAIN_FAR : GAIN)) return { at, old: place };
        at += Math.max(1, length >> 1); // what holds is nearly as good all the way
      }
    }
    return { at: now.length, old: -1 };
  }

  private longest(old: Uint8Array, now: Uint8Array, at: number, except: number): { readonly length: number; readonly place: number } {
    const { table, effort: { stride: least, candidates } } = this;
    table.fill(old, least);
    const { stride, next } = table;
    let [length, place] = [0, -1];
    let i = table.first(now, at);
    for (let tried = 0; i >= 0 && tried < candidates; tried++, i = next[i]!) {
      const candidate = i * stride;
      if (candidate === except || (length > 0 && now[at + length] !== old[candidate + length])) continue;
      const run = runLength(now, at, old, candidate, at + LOOK);
      if (run > length) [length, place] = [run, candidate];
    }
    return { length, place };
  }
}

/** @returns where what holds is equal for long again, if that is near; else `at` */
function resume(old: Uint8Array, now: Uint8Array, at: number, shift: number): number {
  for (let next = at + 1; next <= at + FEW; next++) {
    const run = runLength(now, next, old, next + shift, next + STEADY);
    if (run === STEADY) return next;
    next += run;
  }
  return at;
}

/** @returns the end of the part of now[from, to) in which more than half of the bytes agree, as far as it pays */
function extendForwards(old: Uint8Array, now: Uint8Array, from: number, to: number, shift: number): number {
  const stop = Math.min(to, old.length - shift);
  let [score, best, end] = [0, 0, from];
  for (let at = from; at < stop;) {
    const run = equalRun(now, at, old, at + shift, stop - at);
    at += run;
    score += run;
    if (score > best) [best, end] = [score, at];
    if (at++ < stop) score--;
  }
  return end;
}

/** Extends the match backwards; where it meets what was extended forwards, the cut is put where most bytes agree. */
function divide(old: Uint8Array, now: Uint8Array, shift: number, ahead: number, match: Match, from: number): readonly [end: number, start: number] {
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

/** @returns what hardly agrees in now[start, end), in order: it takes less as it is than as differences */
function* newStretches(old: Uint8Array, now: Uint8Array, start: number, end: number, place: number): Generator<{ readonly start: number; readonly end: number }> {
  const shift = place - start;
  for (let at = start; at < end;) {
    at += equalRun(now, at, old, at + shift, end - at);
    let [score, best, next, stop] = [0, 0, at, at];
    while (next < end && score >= 0 && best - score < LOSS_MAX) {
      if (now[next] === old[next + shift]) score -= ALIKE_MIN - 1;
      else if (++score > best) [best, stop] = [score, next + 1];
      next++;
    }
    if (best >= STRETCH_MIN) yield { start: at, end: stop };
    at = best >= STRETCH_MIN ? stop : next;
  }
}

function runLength(now: Uint8Array, at: number, old: Uint8Array, place: number, most: number): number {
  if (place < 0) return 0;
  return equalRun(now, at, old, place, Math.min(now.length - at, most - at, old.length - place));
}

function countEqual(now: Uint8Array, at: number, old: Uint8Array, place: number, length: number): number {
  let count = 0;
  const end = Math.min(length, old.length - place);
  for (let i = Math.max(0, -place); i < end; i++) if (now[at + i] === old[place + i]) count++;
  return count;
}
