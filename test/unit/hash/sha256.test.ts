import * as crypto from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { toHex } from '../../../src/bytes/hex.js';
import type { Hasher } from '../../../src/hash/hasher.js';
import { hasher as native } from '../../../src/hash/native.js';
import { hasher as portable } from '../../../src/hash/portable.js';
import { hashLeaves, sha256 } from '../../../src/hash/sha256.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const pattern = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => i * i >> 3);
/** FIPS 180-4 by another way: the streaming interface. */
const expected = (...parts: Uint8Array[]): string => {
  const hash = crypto.createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};

const implementations: [string, Hasher][] = [['native', native], ['portable', portable]];

describe.each(implementations)('%s', (_, hasher) => {
  test('known digests', () => {
    expect(toHex(hasher.sha256([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(toHex(hasher.sha256([text('abc')]))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(toHex(hasher.sha256([text('a'), new Uint8Array(0), text('bc')]))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  test.each([0, 1, 32, 256])('blocks with a salt of %d bytes, into shared memory too', (saltSize) => {
    const data = new Uint8Array(new SharedArrayBuffer(3 * 4096));
    data.set(pattern(3 * 4096));
    const salt = pattern(saltSize);
    const target = new Uint8Array(new SharedArrayBuffer(8 + 96), 8);
    hasher.hashBlocks(data, salt, target);
    const leaves = [0, 1, 2].map((i) => expected(salt, data.slice(i * 4096, i * 4096 + 4096)));
    expect(toHex(target.slice())).toBe(leaves.join(''));
  });
});

test('leaves: a short last block is filled up with zeros', () => {
  const data = pattern(4096 + 5);
  const padded = new Uint8Array(4096);
  padded.set(data.subarray(4096));
  const target = new Uint8Array(64);
  expect(hashLeaves(data, text('s'), target)).toBe(64);
  expect(toHex(target)).toBe(expected(text('s'), data.subarray(0, 4096)) + expected(text('s'), padded));
  expect(hashLeaves(new Uint8Array(0), text('s'), target)).toBe(0);
});

test('the parts make one message', () => {
  expect(toHex(sha256(text('ab'), text('c')))).toBe(expected(text('abc')));
});
