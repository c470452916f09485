/** The blocks of a base while a new tree is laid out on it: which are taken, which still hold old bytes, where there is room. */
import { Spans } from './spans.js';

/** Of a block; 0 = it never held anything. */
const [FORMER, KEPT, FRESH] = [1, 2, 3];

/**
 * Room is given out in whole chunks that nobody uses, lowest first, then behind the end: a chunk that gets new bytes is fetched as a
 * whole, so it should hold new bytes only. Metadata may also go between other metadata.
 */
export class BlockSpace {
  private states: Uint8Array;
  /** Free chunks inside the base, the lowest last. */
  private freeChunks: number[] | undefined;
  private readonly data = { at: 0, end: 0 };
  private readonly metadata = { at: 0, end: 0 };
  private readonly metadataChunks = new Set<number>();
  private gaps: number[] | undefined;
  /** Behind the last block of the base or given out. */
  private end: number;

  /** @param blocks of the base @param chunkBlocks blocks of a chunk */
  constructor(private readonly blocks: number, readonly chunkBlocks: number) {
    this.states = new Uint8Array(blocks);
    this.end = blocks;
  }

  /** The base has something in this block. */
  addFormer(block: number): void {
    this.states[block] = FORMER;
  }

  /** Whether these blocks can be kept: inside the base and not taken. */
  isFree(block: number): boolean {
    return block < this.blocks && this.states[block]! < KEPT;
  }

  /** Takes blocks at a fixed place, whose bytes are those of the base or, at least, of the same kind. */
  keep(start: number, count: number, kind: 'data' | 'metadata'): void {
    this.take(start, count, KEPT);
    if (kind === 'metadata') for (let chunk = this.chunkOf(start); chunk <= this.chunkOf(start + count - 1); chunk++) this.metadataChunks.add(chunk);
  }

  holdsMetadata(chunk: number): boolean {
    return this.metadataChunks.has(chunk);
  }

  /** @returns how many blocks of a chunk hold something of the base that was not kept so far */
  formerIn(chunk: number): number {
    let count = 0;
    for (let block = chunk * this.chunkBlocks; block < Math.min((chunk + 1) * this.chunkBlocks, this.blocks); block++) if (this.states[block] === FORMER) count++;
    return count;
  }

  /** @returns first blocks and lengths of `count` blocks for new data */
  takeData(count: number): { readonly start: number; readonly count: number }[] {
    const parts: { start: number; count: number }[] = [];
    for (let left = count; left > 0;) {
      if (this.data.at === this.data.end) Object.assign(this.data, this.nextRoom());
      const part = Math.min(left, this.data.end - this.data.at);
      const last = parts.at(-1);
      if (last !== undefined && last.start + last.count === this.data.at) last.count += part;
      else parts.push({ start: this.data.at, count: part });
      this.take(this.data.at, part, FRESH);
      this.data.at += part;
      left -= part;
    }
    return parts;
  }

  /** @returns a block for new metadata: a gap between other metadata, else in a chunk that is for metadata from now on */
  takeMetadata(): number {
    this.gaps ??= this.gapsInMetadata();
    let block = this.gaps.pop();
    if (block === undefined) {
      if (this.metadata.at === this.metadata.end) Object.assign(this.metadata, this.nextRoom());
      block = this.metadata.at++;
    }
    this.take(block, 1, FRESH);
    return block;
  }

  /** @returns two blocks in a row, as {@link BlockSpace.takeMetadata} does one */
  takePair(): number {
    if (this.metadata.end - this.metadata.at < 2) Object.assign(this.metadata, this.nextRoom());
    const block = this.metadata.at;
    this.metadata.at += 2;
    this.take(block, 2, FRESH);
    return block;
  }

  /** Blocks in use. */
  taken(): Spans {
    return this.where((block) => this.states[block]! >= KEPT);
  }

  /** Blocks that nobody uses any more and that hold what they held, since their chunk stays: equal chunks need not be fetched. */
  freed(): Spans {
    const chunks = new Uint8Array(this.chunkOf(this.blocks) + 1);
    for (let block = 0; block < this.blocks; block++) if (this.states[block] === KEPT) chunks[this.chunkOf(block)] = 1;
    return this.where((block) => this.states[block] === FORMER && chunks[this.chunkOf(block)] === 1);
  }

  private where(holds: (block: number) => boolean): Spans {
    const list: { start: number; end: number }[] = [];
    for (let block = 0; block < Math.min(this.end, this.states.length); block++) {
      if (!holds(block)) continue;
      const last = list.at(-1);
      if (last?.end === block) last.end++;
      else list.push({ start: block, end: block + 1 });
    }
    return new Spans(list);
  }

  private take(start: number, count: number, state: number): void {
    const end = start + count;
    if (end > this.states.length) {
      const grown = new Uint8Array(Math.max(end, this.states.length * 2));
      grown.set(this.states);
      this.states = grown;
    }
    this.states.fill(state, start, end);
    this.end = Math.max(this.end, end);
  }

  /** @returns a chunk that nobody uses */
  private nextRoom(): { at: number; end: number } {
    this.freeChunks ??= this.findFreeChunks();
    const chunk = this.freeChunks.pop();
    if (chunk !== undefined) return { at: chunk * this.chunkBlocks, end: (chunk + 1) * this.chunkBlocks };
    const at = this.end;
    this.end = (this.chunkOf(at) + 1) * this.chunkBlocks;
    return { at, end: this.end };
  }

  private findFreeChunks(): number[] {
    const chunks: number[] = [];
    for (let chunk = this.chunkOf(this.blocks) - 1; chunk >= 0; chunk--) {
      if (this.isUnused(chunk)) chunks.push(chunk);
    }
    return chunks;
  }

  private isUnused(chunk: number): boolean {
    for (let block = chunk * this.chunkBlocks; block < (chunk + 1) * this.chunkBlocks; block++) if (this.states[block]! >= KEPT) return false;
    return true;
  }

  private gapsInMetadata(): number[] {
    const gaps: number[] = [];
    for (const chunk of [...this.metadataChunks].sort((a, b) => b - a)) {
      for (let block = Math.min((chunk + 1) * this.chunkBlocks, this.blocks) - 1; block >= chunk * this.chunkBlocks; block--) if (this.isFree(block)) gaps.push(block);
    }
    return gaps;
  }

  private chunkOf(block: number): number {
    return Math.floor(block / this.chunkBlocks);
  }
}
