/** Which blocks of a file hold data. What no piece touches is a hole and gets no block. */
import { ThawfsError } from '../../errors.js';
import type { Content, Piece } from '../../model/content.js';
import { BLOCK_SIZE } from '../../units.js';

/** A run of logical blocks. */
export interface BlockRun {
  readonly logical: number;
  count: number;
}

/** And where it lies. */
export interface MappedRun extends BlockRun {
  readonly physical: number;
}

/**
 * @returns the runs in ascending order, neither touching nor overlapping
 * @throws BAD_ARGUMENT when the pieces are not ascending or leave the content
 */
export function blockRuns(content: Content): BlockRun[] {
  const runs: BlockRun[] = [];
  let last: BlockRun | undefined;
  let end = 0;
  for (const piece of content.pieces) {
    if (piece.length === 0) continue;
    if (!(piece.offset >= end && piece.length > 0)) throw badPiece(piece, content);
    end = piece.offset + piece.length;
    const first = Math.floor(piece.offset / BLOCK_SIZE);
    const after = Math.ceil(end / BLOCK_SIZE);
    if (last === undefined || first > last.logical + last.count) {
      last = { logical: first, count: after - first };
      runs.push(last);
    } else {
      last.count = after - last.logical;
    }
  }
  if (end > content.size) throw badPiece({ offset: end, length: 0 }, content);
  return runs;
}

/** @returns the runs, one after another from a block on */
export function mapFrom(runs: readonly BlockRun[], first: number): MappedRun[] {
  let physical = first;
  return runs.map(({ logical, count }) => {
    physical += count;
    return { logical, count, physical: physical - count };
  });
}

/** @returns the runs in the stretches in which they lie on disk: each run of a stretch begins where the one before ends. */
export function stretchesOf(runs: readonly MappedRun[]): MappedRun[][] {
  const stretches: MappedRun[][] = [];
  let end = -1;
  for (const run of runs) {
    if (run.physical === end) stretches.at(-1)!.push(run);
    else stretches.push([run]);
    end = run.physical + run.count;
  }
  return stretches;
}

/** Moves the pieces of a file, as far as they lie in `runs`, to where these lie in the image. @param runs of one stretch */
export function* placePieces(pieces: Content['pieces'], runs: readonly MappedRun[]): Generator<Piece> {
  const last = runs.at(-1);
  if (last === undefined) return;
  const end = (last.logical + last.count) * BLOCK_SIZE;
  let next = 0;
  for (const { offset, length, source, sourceOffset } of piecesFrom(pieces, runs[0]!.logical * BLOCK_SIZE)) {
    if (offset >= end) return;
    while (next < runs.length && (runs[next]!.logical + runs[next]!.count) * BLOCK_SIZE <= offset) next++;
    for (let i = next; i < runs.length && runs[i]!.logical * BLOCK_SIZE < offset + length; i++) {
      const { logical, count, physical } = runs[i]!;
      const from = Math.max(offset, logical * BLOCK_SIZE);
      const to = Math.min(offset + length, (logical + count) * BLOCK_SIZE);
      if (to > from) yield { offset: (physical - logical) * BLOCK_SIZE + from, length: to - from, source, sourceOffset: sourceOffset + from - offset };
    }
  }
}

/** A file of many pieces in many stretches is not walked from its start for each of them. */
function* piecesFrom(pieces: Content['pieces'], start: number): Generator<Piece> {
  if (!Array.isArray(pieces)) {
    yield* pieces;
    return;
  }
  const list = pieces as readonly Piece[];
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = low + high >>> 1;
    if (list[middle]!.offset + list[middle]!.length > start) high = middle;
    else low = middle + 1;
  }
  for (; low < list.length; low++) yield list[low]!;
}

export function countBlocks(runs: readonly BlockRun[]): number {
  let blocks = 0;
  for (const run of runs) blocks += run.count;
  return blocks;
}

function badPiece(piece: Pick<Piece, 'offset' | 'length'>, content: Content): ThawfsError {
  return new ThawfsError('BAD_ARGUMENT', `content of ${content.size} bytes: piece at ${piece.offset} of ${piece.length} bytes is out of order or outside`, {
    detail: { offset: piece.offset, length: piece.length, size: content.size },
  });
}
