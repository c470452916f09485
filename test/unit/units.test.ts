import { expect, test } from '@jest/globals';
import { formatSize, parseSize, roundUp } from '../../src/units.js';

test('sizes as people write them', () => {
  const cases: readonly [string, number][] = [['0', 0], ['4096', 4096], ['64K', 65536], ['64k', 65536], ['64KiB', 65536], ['64KB', 64000], ['1.5G', 1.5 * 2 ** 30], ['1 M', 2 ** 20], ['2TB', 2e12], ['7B', 7]];
  for (const [text, bytes] of cases) expect(parseSize(text, '--size')).toBe(bytes);
});

test('anything else is no size', () => {
  for (const text of ['', 'x', '-1', '1.5', '1X', '1e3', '0x10', '9007199254740993', '99999T']) {
    expect(() => parseSize(text, '--size')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  }
});

test('sizes for people', () => {
  expect([0, 999, 1000, 1536, 999_500, 1.5e9, 2 ** 50].map(formatSize)).toEqual(['0 B', '999 B', '1.00 kB', '1.54 kB', '1.00 MB', '1.50 GB', '1.13 PB']);
});

test('rounding up, beyond 32 bits too', () => {
  expect([roundUp(0, 4096), roundUp(1, 4096), roundUp(4096, 4096), roundUp(2 ** 40 + 1, 4096)]).toEqual([0, 4096, 4096, 2 ** 40 + 4096]);
});
