/**
 * The longest of the matches that gzip tries, found without trying them all. gzip follows one chain of places, whose next three bytes share a hash; here
 * every place is also on chains of more bytes, which are short. What such a chain lacks is a match of fewer bytes than it is made by.
 */
import { MAX_MATCH } from './symbols.js';

/** Half of gzip's window: places that are remembered. */
export const HALF = 0x8000;
const HASH_BITS = 15;
/** Level 9: places tried, a quarter of them when a match of `GOOD` bytes is at hand. */
const CHAIN = 4096;
const GOOD = 32;

/** Places whose next bytes, so many for each chain, have a hash in common. */
class Chain {
  /** Of each hash; -1 = none. */
  readonly last = new Int32Array(HALF);
  /** Of each place: how far back the one before lies; where that is no longer remembered, so far that the search ends. */
  readonly former = new Uint16Array(HALF);

  /** @returns the place before */
  add(hash: number, place: number): number {
    const candidate = this.last[hash]!;
    const distance = place - candidate;
    this.former[place & HALF - 1] = distance < HALF ? distance : HALF;
    this.last[hash] = place;
    return candidate;
  }
}

/** Memory: 640 KiB. */
export class MatchFinder {
  /** Of the match that was found last. */
  start = 0;
  private readonly eight = new Chain();
  private readonly five = new Chain();
  /** gzip's own. */
  private readonly three = new Chain();
  /** Numbers the places of each of gzip's chains, modulo 2^16: tells how many it tries before one. */
  private readonly ordinals = new Uint16Array(HALF);
  private bytes: Uint8Array = new Uint8Array(0);
  private view = new DataView(this.bytes.buffer);

  /** @param bytes the content, and MAX_MATCH + MIN_MATCH more that are looked at */
  begin(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (const { last } of [this.eight, this.five, this.three]) last.fill(-1);
  }

  /** Every place, one after another. @returns the one before on gzip's chain */
  insert(place: number): number {
    const { bytes, view, ordinals, eight, five, three } = this;
    const four = Math.imul(view.getInt32(place, true), 0x9e37_79b1);
    eight.add(Math.imul(four ^ view.getInt32(place + 4, true), 0x85eb_ca6b) >>> 32 - HASH_BITS, place);
    five.add(Math.imul(four ^ bytes[place + 4]!, 0x85eb_ca6b) >>> 32 - HASH_BITS, place);
    const candidate = three.add(this.hashOf(place), place);
    ordinals[place & HALF - 1] = ordinals[candidate & HALF - 1]! + 1;
    return candidate;
  }

  /**
   * Sets `start` when a match longer than `least` is found: that of the nearest of the longest.
   *
   * @param at the place that was inserted last
   * @param limit gzip stops before places up to here
   * @returns its length, else `least`
   */
  longest(at: number, limit: number, least: number): number {
    const long = this.follow(this.eight.former, at, limit, least > 7 ? least : 7, MAX_MATCH);
    if (long > 7 || least >= 7) return long > 7 ? long : least;
    const middle = this.follow(this.five.former, at, limit, least > 4 ? least : 4, 7);
    if (middle > 4 || least >= 4) return middle > 4 ? middle : least;
    return this.follow(this.three.former, at, limit, least, 4);
  }

  /** @returns the longest match of more than `least` bytes, at most `most`, on a chain; `least` when there is none */
  private follow(former: Uint16Array, at: number, limit: number, least: number, most: number): number {
    const { bytes, ordinals } = this;
    const ordinal = ordinals[at & HALF - 1]!;
    const tries = least >= GOOD ? CHAIN >> 2 : CHAIN;
    let best = least;
    for (let place = at - former[at & HALF - 1]!; place > limit; place -= former[place & HALF - 1]!) {
      // Of a place on another of gzip's chains, which only shares the longer hash, the ordinal says nothing.
      if ((ordinal - ordinals[place & HALF - 1]! & 0xffff) > tries && this.hashOf(place) === this.hashOf(at)) break;
      if (bytes[place + best] !== bytes[at + best] || bytes[place + best - 1] !== bytes[at + best - 1]) continue;
      let length = 0;
      while (length < most && bytes[place + length] === bytes[at + length]) length++;
      if (length <= best) continue;
      this.start = place;
      best = length;
      if (length === most) break;
    }
    return best;
  }

  /** gzip's own. */
  private hashOf(place: number): number {
    const { bytes } = this;
    return (bytes[place]! << 10 ^ bytes[place + 1]! << 5 ^ bytes[place + 2]!) & HALF - 1;
  }
}
