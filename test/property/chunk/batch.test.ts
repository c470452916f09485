import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planBatches } from '../../../src/chunk/batch.js';
import type { Piece } from '../../../src/model/content.js';

const CHUNK = 16;
const BATCH = 64;
/** Gap and length of one piece after another. */
const runs = fc.array(fc.tuple(fc.oneof(fc.nat(3), fc.nat(200)), fc.oneof(fc.nat(40), fc.nat(300))), { maxLength: 30 });

function layOut(gaps: readonly (readonly [number, number])[]): Piece[] {
  let end = 0;
  return gaps.map(([gap, length]) => {
    const offset = end + gap;
    end = offset + length;
    return { offset, length, source: Uint8Array.from({ length }, (_, i) => 1 + (offset + i) % 251), sourceOffset: 0 };
  });
}

/** A content's bytes, the obvious way. */
function render(size: number, pieces: Iterable<Piece>): Uint8Array {
  const bytes = new Uint8Array(size);
  for (const { offset, length, source, sourceOffset } of pieces) bytes.set((source as Uint8Array).subarray(sourceOffset, sourceOffset + length), offset);
  return bytes;
}

test('batches tile the content, hold its pieces, and are as large as they may be', () => {
  fc.assert(fc.property(runs, fc.nat(100), (gaps, rest) => {
    const pieces = layOut(gaps);
    const size = pieces.reduce((end, { offset, length }) => Math.max(end, offset + length), 0) + rest;
    const whole = size - size % CHUNK;
    const batches = [...planBatches({ size, pieces }, CHUNK, BATCH)];
    let end = 0;
    for (const { offset, size: length, pieces: inside } of batches) {
      expect(offset).toBe(end);
      expect(length).toBeGreaterThan(0);
      end += length;
      expect(end <= whole ? length % CHUNK : offset).toBe(end <= whole ? 0 : whole);
      if (inside.length === 0) continue;
      expect(length).toBeLessThanOrEqual(BATCH);
      for (let chunk = offset; chunk < end; chunk += CHUNK) expect(inside.some((piece) => piece.offset < chunk + CHUNK && piece.offset + piece.length > chunk)).toBe(true);
      for (const piece of inside) expect(piece.length > 0 && piece.offset >= offset && piece.offset + piece.length <= end).toBe(true);
    }
    expect(end).toBe(size);
    expect(Buffer.compare(render(size, batches.flatMap((batch) => batch.pieces)), render(size, pieces))).toBe(0);
  }), { numRuns: 300 });
});
