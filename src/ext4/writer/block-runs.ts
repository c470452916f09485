/** Which blocks of a file hold data. What no piece touches is a hole and gets no block. */
import { ThawfsError } from '../../errors.js';
import type { Content, Piece } from '../../model/content.js';
import { BLOCK_SIZE } from '../../units.js';

/** A run of logical blocks. All runs of one file lie one after another on disk. */
export interface BlockRun {
  readonly logical: number;
  count: number;
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

/** Moves the pieces of a file to where its blocks are: the first run at byte `start`, each further run after the one before. */
export function* placePieces(content: Content, start: number): Generator<Piece> {
  let next = start; // where the next run begins
  let shift = 0; // from position in the file to position in the image
  let runEnd = -1; // logical block after the current run
  for (const { offset, length, source, sourceOffset } of content.pieces) {
    if (length === 0) continue;
    const first = Math.floor(offset / BLOCK_SIZE);
    const after = Math.ceil((offset + length) / BLOCK_SIZE);
    if (first > runEnd) {
      shift = next - first * BLOCK_SIZE;
      runEnd = first;
    }
    next += Math.max(0, after - runEnd) * BLOCK_SIZE;
    runEnd = Math.max(runEnd, after);
    yield { offset: shift + offset, length, source, sourceOffset };
  }
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
