import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { levelParameters } from '../../../src/codec/levels.js';
import { isText } from '../../../src/codec/text.js';

const program = readFileSync(process.execPath).subarray(1 << 20, (1 << 20) + 65536);
const text = Buffer.from('The quick brown fox jumps over the lazy dog.\n\tif (a < b) return;\r\n'.repeat(1000)).subarray(0, 65536);

test.each([
  ['text', text, true],
  ['text with the padding of small files', Buffer.concat([text.subarray(0, 8192), Buffer.alloc(57_344)]), true],
  ['a program', program, false],
  ['zeros', Buffer.alloc(65536), false],
  ['text with a tenth of other bytes', Buffer.from(text.map((byte, i) => (i % 10 === 0 ? 0x90 : byte))), false],
  ['nothing', Buffer.alloc(0), false],
])('%s', (_, bytes, expected) => {
  expect(isText(bytes)).toBe(expected);
});

test('the default level is quick with what is no text, other levels are as zstd has them', () => {
  expect(levelParameters(3, text)).toEqual({ compressionLevel: 3, windowLog: 16 });
  expect(levelParameters(3, program)).toEqual({ compressionLevel: 2, windowLog: 16, hashLog: 13 });
  expect(levelParameters(9, program)).toEqual({ compressionLevel: 9, windowLog: 16 });
  expect(levelParameters(3, program)).toBe(levelParameters(3, Buffer.from(program)));
});

test('the smallest and the largest chunk', () => {
  for (const size of [1, 4096, 1 << 20]) {
    const { windowLog, hashLog } = levelParameters(3, Buffer.alloc(size));
    expect(windowLog).toBeLessThanOrEqual(20);
    expect(hashLog).toBeGreaterThanOrEqual(6); // ZSTD_HASHLOG_MIN
  }
});
