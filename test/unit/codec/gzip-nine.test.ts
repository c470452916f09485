/** The streams of `gzip -9`; test/oracle/codec holds them against gzip itself. */
import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { GzipNine } from '../../../src/codec/deflate/gzip-nine.js';
import { copies, far, gzipNine, text } from '../../helpers/gzip-file.js';
import { noise } from '../../helpers/make-tree.js';

const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex').slice(0, 16);

test('decompresses to the content, whatever that is', () => {
  for (const size of [0, 1, 3, 300, 32_768, 65_536, 200_000]) {
    for (const content of [text(size, 1), noise(size, 2), new Uint8Array(size), noise(size, 3).map((byte) => byte & 3)]) expect(Buffer.compare(gunzipSync(gzipNine(content)), content)).toBe(0);
  }
});

test('streams that gzip 1.12 made', () => {
  expect([text(100_000, 1), noise(100_000, 2), Buffer.alloc(100_000)].map((content) => digest(gzipNine(content)))).toEqual(['095a98cc1cc6a754', '5ef544b48aff98b9', 'a475c4fac2de614b']);
});

test('a match that gzip does not come to is not found', () => {
  expect([far(4095), far(4096), copies(300_000, 1), copies(300_000, 2)].map((content) => digest(gzipNine(content)))).toEqual(['066b73cc6461e8bf', '282ed31265f75f8b', '604bf541cfa3285e', '494ec0e807597a05']);
});

test('a place exactly twice as far back as is remembered ends the search', () => {
  const phrase = Buffer.from('ABCDEFGHIJKL');
  const content = Buffer.concat([noise(5000, 6), phrase, Buffer.alloc(60_000), noise(1000, 7), phrase.subarray(0, 3), noise(4521, 8), phrase, noise(1000, 9)]);
  expect(content.lastIndexOf(phrase) - content.indexOf(phrase)).toBe(65_536);
  expect(digest(gzipNine(content))).toBe('89e7f31378effeda');
});

test('one compressor, one content after another: each as if it were the first', () => {
  const compressor = new GzipNine();
  for (const content of [text(80_000, 4), noise(10, 5), text(70_000, 6)]) expect(Buffer.from(compressor.compress(content)).equals(new GzipNine().compress(content))).toBe(true);
});
