/** Cuts a content into batches of whole chunks: what one worker does at a time, or a run of zeros that nobody has to read. */
import { ThawfsError } from '../errors.js';
import type { Content, Piece } from '../model/content.js';

export interface Batch {
  /** Position inside the content, a multiple of the chunk size. */
  readonly offset: number;
  /** Bytes: whole chunks. A short last chunk of the content is a batch of its own. */
  readonly size: number;
  /** Cut at the batch's ends; none = zeros. Offsets count inside the content. */
  readonly pieces: readonly Piece[];
}

/**
 * Batches tile the content in order. One that has pieces is at most `batchSize` long and each of its chunks is touched by a piece;
 * runs of zero chunks are of any length.
 *
 * @param batchSize a multiple of `chunkSize`
 * @throws BAD_ARGUMENT when pieces are not ascending or leave the content
 */
export function* planBatches({ size, pieces }: Content, chunkSize: number, batchSize: number): Generator<Batch> {
  const whole = size - size % chunkSize;
  let gathered: Piece[] = [];
  let [start, end] = [0, 0]; // the chunks of the gathered pieces
  let limit = 0;
  let covered = 0;
  for (const piece of pieces) {
    const pieceEnd = piece.offset + piece.length;
    if (piece.offset < covered || pieceEnd > size) throw new ThawfsError('BAD_ARGUMENT', `content: a piece at ${piece.offset} follows one that ends at ${covered}, of ${size}`);
    covered = pieceEnd;
    for (let at = piece.offset; at < pieceEnd;) {
      const chunk = at - at % chunkSize;
      if (chunk > end || at >= limit) {
        if (gathered.length > 0) yield { offset: start, size: end - start, pieces: gathered };
        if (chunk > end) yield { offset: end, size: chunk - end, pieces: [] };
        gathered = [];
        start = chunk;
        limit = chunk < whole ? Math.min(chunk + batchSize, whole) : size;
      }
      const partEnd = Math.min(pieceEnd, limit);
      gathered.push(partOf(piece, at, partEnd));
      end = Math.min(Math.ceil(partEnd / chunkSize) * chunkSize, size);
      at = partEnd;
    }
  }
  if (gathered.length > 0) yield { offset: start, size: end - start, pieces: gathered };
  if (whole > end) yield { offset: end, size: whole - end, pieces: [] };
  if (size > Math.max(whole, end)) yield { offset: whole, size: size - whole, pieces: [] };
}

function partOf(piece: Piece, start: number, end: number): Piece {
  if (start === piece.offset && end === start + piece.length) return piece;
  return { offset: start, length: end - start, source: piece.source, sourceOffset: piece.sourceOffset + start - piece.offset };
}
