/** Builds the pieces of a content from runs of data in ascending order. */
import type { Piece } from '../model/content.js';
import { BLOCK_SIZE } from '../units.js';
import { HOLE_WINDOW } from './zero-blocks.js';

// A gap without a whole window inside is shorter than two of them.
const zeros = new Uint8Array(2 * HOLE_WINDOW);

export class PieceList {
  readonly #pieces: Piece[] = [];

  /** Adds a run that comes after all others; one that goes on where the last ended, in the file and in its source, is joined to it. */
  add(offset: number, length: number, source: Piece['source'], sourceOffset: number): void {
    const last = this.#pieces.at(-1);
    if (last?.source === source && last.offset + last.length === offset && last.sourceOffset + last.length === sourceOffset) {
      this.#pieces[this.#pieces.length - 1] = { ...last, length: last.length + length };
    } else {
      this.#pieces.push({ offset, length, source, sourceOffset });
    }
  }

  /**
   * Fills up with zeros what is no hole, so that what is covered depends on the bytes alone: blocks that are data in part only (tar
   * keeps holes to 512 bytes), and all of a file in which no window is zero.
   *
   * @param size of the file, bytes
   */
  finish(size: number): readonly Piece[] {
    const sparse = this.#hasZeroWindow(size);
    const filled: Piece[] = [];
    let covered = 0;
    const fill = (end: number): void => {
      if (end > covered) filled.push({ offset: covered, length: end - covered, source: zeros, sourceOffset: 0 });
      covered = Math.max(covered, end);
    };
    const blockEnd = (offset: number): number => sparse ? Math.min(Math.ceil(offset / BLOCK_SIZE) * BLOCK_SIZE, size) : size;
    for (const piece of this.#pieces) {
      fill(Math.min(blockEnd(covered), piece.offset));
      if (sparse) covered = Math.max(covered, piece.offset - piece.offset % BLOCK_SIZE);
      fill(piece.offset);
      filled.push(piece);
      covered = piece.offset + piece.length;
    }
    fill(blockEnd(covered));
    return filled;
  }

  #hasZeroWindow(size: number): boolean {
    if (size < HOLE_WINDOW) return false;
    let covered = 0;
    for (const { offset, length } of [...this.#pieces, { offset: size, length: 0 }]) {
      const window = Math.ceil(covered / HOLE_WINDOW) * HOLE_WINDOW;
      if (window < size && Math.min(window + HOLE_WINDOW, size) <= offset) return true;
      covered = offset + length;
    }
    return false;
  }
}
