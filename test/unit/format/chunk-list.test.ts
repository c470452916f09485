import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHUNK_LIST_MAX_SIZE, decodeChunkList, encodeChunkList } from '../../../src/format/chunk-list.js';

describe('chunk list', () => {
  test('keeps chunks and their order', () => {
    expect(encodeChunkList([17, 18, 19, 3, 90, 91])).toBe('17-19,3,90-91');
    fc.assert(fc.property(fc.uniqueArray(fc.nat(5000), { minLength: 1, maxLength: 500 }), (chunks) => {
      expect(decodeChunkList(encodeChunkList(chunks), 5001, 'list')).toEqual(chunks);
    }));
  });

  test('what does not fit is left out at the end', () => {
    const chunks = Array.from({ length: 10_000 }, (_, i) => 2 * i);
    const text = encodeChunkList(chunks);
    expect(text.length).toBeLessThanOrEqual(CHUNK_LIST_MAX_SIZE);
    const kept = decodeChunkList(text, 20_000, 'list');
    expect(kept).toEqual(chunks.slice(0, kept.length));
  });

  test.each(['', '1,', '5-4', '4-4', '01', '1,2', '3,1-5', '7,7', '1-2-3', '10', '-1', '1 ,3'])('"%s" is refused', (text) => {
    expect(() => decodeChunkList(text, 10, 'list')).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('a list that is too long is refused', () => {
    expect(() => decodeChunkList('1'.repeat(CHUNK_LIST_MAX_SIZE + 1), 10, 'list')).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});
