/** The image as parts that are made when they are written, so that only one is in memory at a time. */
import type { Piece } from '../../model/content.js';

/** Consecutive blocks that belong together. */
export interface Part {
  /** First block. */
  readonly block: number;
  /** @returns the pieces of the part, ascending; made anew at each call */
  readonly pieces: () => Iterable<Piece>;
}

/** @returns the parts by ascending block. All are held: for what is few. */
export function inOrder(parts: Iterable<Part>): Part[] {
  return [...parts].sort((a, b) => a.block - b.block);
}

/** Merges streams of parts, each of which ascends. */
export function* merged(streams: readonly Iterable<Part>[]): Generator<Part> {
  const heads: { part: Part; readonly rest: Iterator<Part> }[] = [];
  for (const stream of streams) {
    const rest = stream[Symbol.iterator]();
    const first = rest.next();
    if (first.done !== true) heads.push({ part: first.value, rest });
  }
  while (heads.length > 0) {
    let at = 0;
    for (let i = 1; i < heads.length; i++) if (heads[i]!.part.block < heads[at]!.part.block) at = i;
    const head = heads[at]!;
    yield head.part;
    const next = head.rest.next();
    if (next.done === true) heads.splice(at, 1);
    else head.part = next.value;
  }
}
