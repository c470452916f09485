import { describe, expect, test } from '@jest/globals';
import { PieceList } from '../../../src/tree/pieces.js';

const source = { kind: 'host-file', path: '/file' } as const;
const K = 1024;

/** Ranges covered when only `runs` hold data; neighbours joined. */
function covered(size: number, ...runs: readonly (readonly [number, number])[]): number[][] {
  const list = new PieceList();
  for (const [start, end] of runs) list.add(start, end - start, source, start);
  const joined: number[][] = [];
  for (const { offset, length } of list.finish(size)) {
    const last = joined.at(-1);
    if (last?.[1] === offset) last[1] = offset + length;
    else joined.push([offset, offset + length]);
  }
  return joined;
}

describe('holes are where the zeros are', () => {
  test('a file with a window of zeros is sparse: every block of zeros in it is a hole', () => {
    expect(covered(256 * K, [0, 64 * K], [128 * K, 132 * K], [136 * K, 256 * K])).toEqual([[0, 64 * K], [128 * K, 132 * K], [136 * K, 256 * K]]);
  });

  test('a file without one is dense, however many blocks of zeros it has', () => {
    expect(covered(256 * K, [4 * K, 60 * K], [124 * K, 128 * K], [132 * K, 252 * K])).toEqual([[0, 256 * K]]);
  });

  test('a gap of nearly two windows that holds none is filled', () => {
    expect(covered(192 * K, [0, 4 * K], [124 * K, 192 * K])).toEqual([[0, 192 * K]]);
    expect(covered(192 * K, [0, 4 * K], [128 * K, 192 * K])).toEqual([[0, 4 * K], [128 * K, 192 * K]]);
  });

  test('the last window ends with the file', () => {
    expect(covered(65 * K, [0, 64 * K])).toEqual([[0, 64 * K]]);
    expect(covered(64 * K + 10, [0, 64 * K])).toEqual([[0, 64 * K]]);
  });

  test('a file below a window has no holes, an empty one nothing', () => {
    expect(covered(64 * K - 1)).toEqual([[0, 64 * K - 1]]);
    expect(covered(64 * K)).toEqual([]);
    expect(covered(0)).toEqual([]);
  });

  test('blocks that are data in part are filled up', () => {
    expect(covered(256 * K, [512, 1024], [128 * K + 100, 128 * K + 200])).toEqual([[0, 4 * K], [128 * K, 132 * K]]);
  });
});
