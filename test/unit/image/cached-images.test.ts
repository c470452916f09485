import { readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { cachedImages, unpinImage } from '../../../src/image/cached-images.js';
import { DiskStore } from '../../../src/store/disk-store.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const [one, other] = ['ab'.repeat(32), `ac${'ab'.repeat(31)}`];

function withPins(pins: readonly string[], body: (cache: string) => void): Promise<void> {
  return withTempDir((cache) => {
    const store = new DiskStore(cache);
    for (const pin of pins) store.pin(pin, new Uint8Array(0));
    store.close();
    body(cache);
    return Promise.resolve();
  });
}

describe('unpinImage', () => {
  test('takes what begins a single root hash', () => withPins([one, other], (cache) => {
    expect(() => unpinImage(cache, 'a')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(unpinImage(cache, 'ab')).toBe(one);
    expect(readdirSync(`${cache}/pins`)).toEqual([other]);
  }));

  test.each(['', 'b'])('refuses %p', (beginning) => withPins([one], (cache) => {
    expect(() => unpinImage(cache, beginning)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(readdirSync(`${cache}/pins`)).toEqual([one]);
  }));
});

test('looking into a cache leaves no file open', () => withPins([], (cache) => {
  const open = (): number => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let i = 0; i < 20; i++) expect(cachedImages(cache)).toEqual([]);
  expect(open()).toBeLessThan(before + 10);
}));
