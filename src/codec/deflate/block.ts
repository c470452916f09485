/** A block of deflate: symbols are collected, then written in the shortest of three ways. */
import { BitSink } from './bit-sink.js';
import { canonicalCodes, huffmanCode, type HuffmanCode } from './huffman.js';
import {
  CODE_LENGTH_EXTRA, CODE_LENGTH_ORDER, DISTANCE_BASE, DISTANCE_COUNT, DISTANCE_EXTRA, distanceSymbol, END_OF_BLOCK, FIXED_DISTANCE_LENGTHS, FIXED_LITERAL_LENGTHS,
  LENGTH_BASE, LITERAL_COUNT, LITERAL_EXTRA, lengthSymbol,
} from './symbols.js';

/** Of gzip: symbols of a block at most, and after how many it asks whether ending the block pays. */
const SYMBOLS_MAX = 0x7fff;
const ASK_STEP = 0x1000;
const enum BlockType { stored, fixed, dynamic }

type Codes = Pick<HuffmanCode, 'lengths' | 'codes'>;
const fixedLiterals: Codes = { lengths: FIXED_LITERAL_LENGTHS, codes: canonicalCodes(FIXED_LITERAL_LENGTHS) };
const fixedDistances: Codes = { lengths: FIXED_DISTANCE_LENGTHS, codes: canonicalCodes(FIXED_DISTANCE_LENGTHS) };

export class DeflateBlock {
  /** Literals, or lengths where there is a distance. */
  private readonly values = new Uint16Array(SYMBOLS_MAX);
  private readonly distances = new Uint16Array(SYMBOLS_MAX);
  private readonly literalFrequencies = new Uint16Array(LITERAL_COUNT);
  private readonly distanceFrequencies = new Uint16Array(DISTANCE_COUNT);
  private count = 0;
  private matches = 0;
  private sink = new BitSink(0);

  /** A stream, and its first block. */
  begin(sink: BitSink): void {
    this.sink = sink;
    this.clear();
  }

  /** @returns the stream */
  finish(): Uint8Array {
    return this.sink.finish();
  }

  /** @param covered bytes of the content since the block began, as far as gzip knows then. @returns whether gzip ends the block here */
  addLiteral(value: number, covered: number): boolean {
    this.literalFrequencies[value]!++;
    return this.add(value, 0, covered);
  }

  /** As {@link DeflateBlock.addLiteral}. */
  addMatch(length: number, distance: number, covered: number): boolean {
    this.literalFrequencies[lengthSymbol(length)]!++;
    this.distanceFrequencies[distanceSymbol(distance)]!++;
    this.matches++;
    return this.add(length, distance, covered);
  }

  /** Writes it, and begins the next. @param content of the block, where gzip still has it in its window */
  end(content: Uint8Array | undefined, isLast: boolean): void {
    const [literals, distances] = [huffmanCode(this.literalFrequencies, 15), huffmanCode(this.distanceFrequencies, 15)];
    const tokens = [...lengthTokens(literals), ...lengthTokens(distances)];
    const tokenFrequencies = new Uint16Array(CODE_LENGTH_EXTRA.length);
    for (const { symbol } of tokens) tokenFrequencies[symbol]!++;
    const tokenCode = huffmanCode(tokenFrequencies, 7);
    let sent: number = CODE_LENGTH_ORDER.length;
    while (sent > 4 && tokenCode.lengths[CODE_LENGTH_ORDER[sent - 1]!] === 0) sent--;

    const dynamic = bytesOf(this.bitsWith(literals, distances) + costOf(tokenFrequencies, tokenCode.lengths, CODE_LENGTH_EXTRA) + 3 * sent + 14);
    const fixed = bytesOf(this.bitsWith(fixedLiterals, fixedDistances));
    const { sink } = this;
    if (content !== undefined && content.length + 4 <= Math.min(dynamic, fixed)) {
      this.addHeader(BlockType.stored, isLast);
      sink.align();
      sink.add(content.length, 16);
      sink.add(content.length ^ 0xffff, 16);
      sink.align();
      sink.addBytes(content);
    } else if (fixed <= dynamic) {
      this.addHeader(BlockType.fixed, isLast);
      this.addSymbols(fixedLiterals, fixedDistances);
    } else {
      this.addHeader(BlockType.dynamic, isLast);
      sink.add(literals.last - 256, 5);
      sink.add(distances.last, 5);
      sink.add(sent - 4, 4);
      for (const symbol of CODE_LENGTH_ORDER.slice(0, sent)) sink.add(tokenCode.lengths[symbol]!, 3);
      for (const { symbol, extra } of tokens) {
        sink.add(tokenCode.codes[symbol]!, tokenCode.lengths[symbol]!);
        if (CODE_LENGTH_EXTRA[symbol]! > 0) sink.add(extra, CODE_LENGTH_EXTRA[symbol]!);
      }
      this.addSymbols(literals, distances);
    }
    this.clear();
  }

  private clear(): void {
    this.literalFrequencies.fill(0)[END_OF_BLOCK] = 1;
    this.distanceFrequencies.fill(0);
    [this.count, this.matches] = [0, 0];
  }

  private add(value: number, distance: number, covered: number): boolean {
    this.values[this.count] = value;
    this.distances[this.count++] = distance;
    if (this.count % ASK_STEP === 0 && this.matches < this.count >> 1) {
      const bits = this.distanceFrequencies.reduce((sum, frequency, symbol) => sum + frequency * (5 + DISTANCE_EXTRA[symbol]!), 8 * this.count);
      if (bits >> 3 < covered >> 1) return true;
    }
    return this.count === SYMBOLS_MAX;
  }

  private addHeader(type: BlockType, isLast: boolean): void {
    this.sink.add(type << 1 | Number(isLast), 3);
  }

  private bitsWith(literals: Codes, distances: Codes): number {
    return costOf(this.literalFrequencies, literals.lengths, LITERAL_EXTRA) + costOf(this.distanceFrequencies, distances.lengths, DISTANCE_EXTRA);
  }

  private addSymbols(literals: Codes, distances: Codes): void {
    const { sink } = this;
    for (let i = 0; i < this.count; i++) {
      const value = this.values[i]!;
      const distance = this.distances[i]!;
      if (distance === 0) {
        sink.add(literals.codes[value]!, literals.lengths[value]!);
        continue;
      }
      const length = lengthSymbol(value);
      const far = distanceSymbol(distance);
      sink.add(literals.codes[length]!, literals.lengths[length]!);
      if (LITERAL_EXTRA[length]! > 0) sink.add(value - LENGTH_BASE[length]!, LITERAL_EXTRA[length]!);
      sink.add(distances.codes[far]!, distances.lengths[far]!);
      if (DISTANCE_EXTRA[far]! > 0) sink.add(distance - DISTANCE_BASE[far]!, DISTANCE_EXTRA[far]!);
    }
    sink.add(literals.codes[END_OF_BLOCK]!, literals.lengths[END_OF_BLOCK]!);
  }
}

function costOf(frequencies: Uint16Array, lengths: Uint8Array, extra: Uint8Array): number {
  return frequencies.reduce((sum, frequency, symbol) => sum + frequency * (lengths[symbol]! + extra[symbol]!), 0);
}

/** With the three bits that begin a block. */
function bytesOf(bits: number): number {
  return (bits + 3 + 7) >> 3;
}

interface Token { readonly symbol: number; readonly extra: number }

/** @returns the code lengths with their runs shortened, as gzip shortens them */
function* lengthTokens({ lengths, last }: HuffmanCode): Generator<Token> {
  for (let at = 0, former = -1; at <= last;) {
    const length = lengths[at]!;
    // A run begins with its length, unless that stood before it; then it has 3..6 more of them.
    const most = length === 0 ? 138 : length === former ? 6 : 7;
    let count = 1;
    while (count < most && at + count <= last && lengths[at + count] === length) count++;
    at += count;
    if (count < (length === 0 || length === former ? 3 : 4)) for (let i = 0; i < count; i++) yield { symbol: length, extra: 0 };
    else if (length === 0) yield count <= 10 ? { symbol: 17, extra: count - 3 } : { symbol: 18, extra: count - 11 };
    else {
      if (length !== former) yield { symbol: length, extra: 0 };
      yield { symbol: 16, extra: count - (length === former ? 3 : 4) };
    }
    former = length;
  }
}
