import { expect, test } from '@jest/globals';
import { DIGEST_SIZE, hashLeaves } from '../../../src/hash/sha256.js';
import { zeroLeaves } from '../../../src/hash/zero-leaves.js';
import { BLOCK_SIZE } from '../../../src/units.js';

test.each([['', 0], ['', 1], ['', 7], ['salt', 1], ['salt', 16]])('leaves of zeros are those that hashing them gives: salt "%s", %i blocks', (salt, count) => {
  const expected = new Uint8Array(count * DIGEST_SIZE);
  hashLeaves(new Uint8Array(count * BLOCK_SIZE), Buffer.from(salt), expected);
  expect(zeroLeaves(count, Buffer.from(salt))).toEqual(expected);
});
