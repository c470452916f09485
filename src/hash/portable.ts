/** SHA-256 where node:crypto is absent (a browser): about a seventh of the native speed. */
import { sha256 } from '@noble/hashes/sha2.js';
import { BLOCK_SIZE } from '../units.js';
import { DIGEST_SIZE } from './digest.js';
import type { Hasher } from './hasher.js';

export const hasher: Hasher = {
  sha256(parts) {
    const hash = sha256.create();
    for (const part of parts) hash.update(part);
    return hash.digest();
  },

  hashBlocks(data, salt, target) {
    const salted = sha256.create().update(salt);
    for (let block = 0, at = 0; block < data.length; block += BLOCK_SIZE, at += DIGEST_SIZE) {
      target.set(salted.clone().update(data.subarray(block, block + BLOCK_SIZE)).digest(), at);
    }
  },
};
