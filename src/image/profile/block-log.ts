/** Which blocks were read, in the order in which each was read first. */
import { BLOCK_SIZE } from '../../units.js';
import type { ByteRange } from './profile.js';

/** Blocks that one page of bits stands for: memory follows what is read, not the size of the image. */
const PAGE_BLOCKS = 32_768;

export class BlockLog {
  private readonly pages = new Map<number, Uint8Array>();
  private readonly runs: { first: number; count: number }[] = [];

  /** @returns the parts of the range that were not read before, in whole blocks */
  add(offset: number, length: number): ByteRange[] {
    const fresh: { offset: number; length: number }[] = [];
    const end = Math.ceil((offset + length) / BLOCK_SIZE);
    for (let block = Math.floor(offset / BLOCK_SIZE); block < end; block++) {
      if (!this.mark(block)) continue;
      const last = fresh.at(-1);
      if (last !== undefined && last.offset + last.length === block * BLOCK_SIZE) last.length += BLOCK_SIZE;
      else fresh.push({ offset: block * BLOCK_SIZE, length: BLOCK_SIZE });
      const run = this.runs.at(-1);
      if (run !== undefined && run.first + run.count === block) run.count++;
      else this.runs.push({ first: block, count: 1 });
    }
    return fresh;
  }

  has(block: number): boolean {
    const within = block % PAGE_BLOCKS;
    return ((this.pages.get(Math.floor(block / PAGE_BLOCKS))?.[within >> 3] ?? 0) & 1 << (within & 7)) !== 0;
  }

  /** @returns whether one of the blocks [from, to) was read */
  hasAny(from: number, to: number): boolean {
    for (let block = from; block < to; block++) if (this.has(block)) return true;
    return false;
  }

  *ranges(): Generator<ByteRange> {
    for (const { first, count } of this.runs) yield { offset: first * BLOCK_SIZE, length: count * BLOCK_SIZE };
  }

  private mark(block: number): boolean {
    if (this.has(block)) return false;
    const number = Math.floor(block / PAGE_BLOCKS);
    const page = this.pages.get(number) ?? new Uint8Array(PAGE_BLOCKS / 8);
    this.pages.set(number, page);
    const within = block % PAGE_BLOCKS;
    page[within >> 3]! |= 1 << (within & 7);
    return true;
  }
}
