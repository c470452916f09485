import { describe, expect, test } from '@jest/globals';
import { planBatches } from '../../../src/chunk/batch.js';
import type { Piece } from '../../../src/model/content.js';

const CHUNK = 16;
const BATCH = 64;
const source = new Uint8Array(1000);
const piece = (offset: number, length: number, sourceOffset = 0): Piece => ({ offset, length, source, sourceOffset });
const plan = (size: number, ...pieces: Piece[]): string[] => [...planBatches({ size, pieces }, CHUNK, BATCH)]
  .map((batch) => `${batch.offset}+${batch.size}: ${batch.pieces.map(({ offset, length, sourceOffset }) => `${offset}+${length}@${sourceOffset}`).join(' ')}`);

describe('batches', () => {
  test('nothing', () => {
    expect(plan(0)).toEqual([]);
  });

  test('nothing but zeros: one run, and the short last chunk', () => {
    expect(plan(160)).toEqual(['0+160: ']);
    expect(plan(165)).toEqual(['0+160: ', '160+5: ']);
    expect(plan(5)).toEqual(['0+5: ']);
  });

  test('a long piece is cut at the batches', () => {
    expect(plan(160, piece(0, 160, 7))).toEqual(['0+64: 0+64@7', '64+64: 64+64@71', '128+32: 128+32@135']);
  });

  test('small pieces share a batch, zeros between chunks do not', () => {
    expect(plan(160, piece(1, 2), piece(20, 2), piece(31, 2), piece(100, 1))).toEqual(['0+48: 1+2@0 20+2@0 31+2@0', '48+48: ', '96+16: 100+1@0', '112+48: ']);
  });

  test('a batch begins at its first chunk with data, not at a multiple of its size', () => {
    expect(plan(160, piece(50, 100))).toEqual(['0+48: ', '48+64: 50+62@0', '112+48: 112+38@62']);
  });

  test('the short last chunk is a batch of its own', () => {
    expect(plan(70, piece(0, 70))).toEqual(['0+64: 0+64@0', '64+6: 64+6@64']);
    expect(plan(70, piece(50, 20))).toEqual(['0+48: ', '48+16: 50+14@0', '64+6: 64+6@14']);
    expect(plan(70, piece(66, 1))).toEqual(['0+64: ', '64+6: 66+1@0']);
  });

  test('empty pieces are nothing', () => {
    expect(plan(32, piece(0, 0), piece(20, 0), piece(32, 0))).toEqual(['0+32: ']);
  });

  test.each([
    ['overlapping', [piece(0, 10), piece(9, 2)]], ['going back', [piece(20, 2), piece(0, 2)]], ['leaving the content', [piece(150, 20)]],
  ])('refuses pieces %s', (_, pieces) => {
    expect(() => plan(160, ...pieces)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});
