/**
 * What `gzip -9` makes of a content, bit for bit: GNU gzip 1.2.4 and later search, decide and cut blocks alike, and Debian compresses changelogs
 * and manual pages with it. node:zlib finds other matches and ends blocks elsewhere.
 */
import { BitSink } from './bit-sink.js';
import { DeflateBlock } from './block.js';
import { HALF, MatchFinder } from './match-finder.js';
import { MAX_MATCH, MIN_MATCH } from './symbols.js';

/** gzip moves its window on by half of it. */
const WINDOW = 2 * HALF;
/** gzip reads on when fewer bytes than this lie before it, and matches nothing further back than this leaves. */
const LOOKAHEAD_MIN = MAX_MATCH + MIN_MATCH + 1;
const DISTANCE_MAX = HALF - LOOKAHEAD_MIN;
/** The shortest match pays only when it is near. */
const SHORT_DISTANCE_MAX = 4096;

/** Compresses one content after another. Memory: 1 MiB, the largest content, and what becomes of it. */
export class GzipNine {
  private readonly block = new DeflateBlock();
  private readonly matches = new MatchFinder();
  /** The content, and what gzip may have in its memory behind it: in memory of the largest so far. */
  private bytes: Uint8Array = new Uint8Array(0);
  private memory = new Uint8Array(0);
  private size = 0;
  private at = 0;
  /** Where gzip's window begins, how far it has read, whether it knows that this is all. */
  private windowStart = 0;
  private readTo = 0;
  private ended = false;
  private blockStart = 0;

  /** @returns the deflate stream; gzip's header and trailer are not in it */
  compress(content: Uint8Array): Uint8Array {
    this.size = content.length;
    this.take(content);
    this.matches.begin(this.bytes);
    [this.at, this.windowStart, this.readTo, this.ended, this.blockStart] = [0, 0, Math.min(WINDOW, content.length), false, 0];
    this.block.begin(new BitSink(content.length >> 1));
    return this.run();
  }

  /** The content, two zeros, and what stood in gzip's window before it was moved: its search looks a little beyond the end. */
  private take(content: Uint8Array): void {
    const size = content.length + MAX_MATCH + MIN_MATCH;
    if (this.memory.length < size) this.memory = new Uint8Array(size);
    this.bytes = this.memory.subarray(0, size);
    this.bytes.set(content);
    this.bytes.fill(0, content.length);
    const zerosEnd = content.length + MIN_MATCH - 1;
    if (content.length >= WINDOW - 1) this.bytes.set(content.subarray(zerosEnd - HALF, size - HALF), zerosEnd);
  }

  private run(): Uint8Array {
    const { bytes, block, matches } = this;
    // Of the match at the byte before, which is `waiting` as long as a better one may follow. (No destructuring here: it makes arrays for each byte until V8 has optimised it.)
    let length = MIN_MATCH - 1;
    let waiting = false;
    this.read();
    while (this.at < this.readTo) {
      const candidate = matches.insert(this.at);
      const formerLength = length;
      const formerStart = matches.start;
      length = MIN_MATCH - 1;
      if (candidate > this.windowStart && formerLength < MAX_MATCH && this.at - candidate <= DISTANCE_MAX && this.at - this.windowStart <= WINDOW - LOOKAHEAD_MIN) {
        const limit = Math.max(this.windowStart, Math.min(candidate - 1, this.at - DISTANCE_MAX)); // only the first place tried may be as far as that
        length = Math.min(matches.longest(this.at, limit, formerLength), this.readTo - this.at);
        if (length === MIN_MATCH && this.at - matches.start > SHORT_DISTANCE_MAX) length--;
      }
      if (formerLength >= MIN_MATCH && length <= formerLength) {
        const full = block.addMatch(formerLength, this.at - 1 - formerStart, this.at - this.blockStart);
        for (const end = this.at + formerLength - 1; ++this.at < end;) matches.insert(this.at);
        length = MIN_MATCH - 1;
        waiting = false;
        if (full) this.endBlock(false);
      } else {
        if (waiting && block.addLiteral(bytes[this.at - 1]!, this.at - this.blockStart)) this.endBlock(false);
        waiting = true;
        this.at++;
      }
      this.read();
    }
    if (waiting) block.addLiteral(bytes[this.at - 1]!, this.at - this.blockStart);
    this.endBlock(true);
    return block.finish();
  }

  /** As gzip fills its window. */
  private read(): void {
    while (this.readTo - this.at < LOOKAHEAD_MIN && !this.ended) {
      if (this.at - this.windowStart >= HALF + DISTANCE_MAX) this.windowStart += HALF;
      const end = Math.min(this.windowStart + WINDOW, this.size);
      if (end === this.readTo) this.ended = true;
      this.readTo = end;
    }
  }

  private endBlock(isLast: boolean): void {
    this.block.end(this.blockStart >= this.windowStart ? this.bytes.subarray(this.blockStart, this.at) : undefined, isLast);
    this.blockStart = this.at;
  }
}
