import { describe, expect, test } from '@jest/globals';
import { PieceFiller } from '../../../src/bytes/piece-filler.js';

/** @returns a filler of 4 bytes, and the pieces that it gave */
function filler(next: (piece: Uint8Array) => Uint8Array = (piece) => piece): { readonly filler: PieceFiller; readonly pieces: string[] } {
  const pieces: string[] = [];
  return { pieces, filler: new PieceFiller(4, (piece) => { pieces.push(Buffer.from(piece).toString()); return next(piece); }) };
}

describe('pieces of one length', () => {
  test.each([[[1, 2, 3, 4]], [[10]], [[3, 0, 7]], [[4, 4, 2]], [[9, 1]]])('portions of %j bytes', (lengths) => {
    const { filler: to, pieces } = filler();
    let at = 0;
    for (const length of lengths) to.add(Buffer.from('abcdefghij'.slice(at, at += length)));
    expect(pieces).toEqual(['abcd', 'efgh']);
    expect(Buffer.from(to.waiting).toString()).toBe('ij');
  });

  test('what waits is forgotten when it was taken', () => {
    const { filler: to, pieces } = filler();
    to.add(Buffer.from('abc'));
    to.clear();
    to.add(Buffer.from('defgh'));
    expect([pieces, Buffer.from(to.waiting).toString()]).toEqual([['defg'], 'h']);
  });

  test('a piece that is kept is not written into', () => {
    const kept: Uint8Array[] = [];
    const { filler: to } = filler((piece) => { kept.push(piece); return new Uint8Array(4); });
    to.add(Buffer.from('abcdefgh'));
    expect(kept.map((piece) => Buffer.from(piece).toString())).toEqual(['abcd', 'efgh']);
  });
});
