import { expect, test } from '@jest/globals';
import { equalRun } from '../../../src/bytes/equal-run.js';
import { noise } from '../../helpers/make-tree.js';

test('counts up to the first byte that differs, wherever that is, and no further than it may', () => {
  const bytes = noise(5000, 1);
  for (const length of [0, 1, 31, 32, 33, 1023, 1055, 1056, 1057, 3000, 4500]) {
    const other = Buffer.concat([Buffer.alloc(7), bytes]);
    other[7 + 100 + length] = other[7 + 100 + length]! ^ 1;
    expect(equalRun(bytes, 100, other, 107, 4900)).toBe(length);
    expect(equalRun(bytes, 100, other, 107, Math.floor(length / 2))).toBe(Math.floor(length / 2));
  }
  expect(equalRun(bytes, 0, Buffer.from(bytes), 0, bytes.length)).toBe(5000);
});
