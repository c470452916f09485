/** Digests computed in passing against the hash area itself, block by block. */
import { describe, expect, test } from '@jest/globals';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../../../src/hash/sha256.js';
import { wholeContent } from '../../../src/image/content-reader.js';
import { buildHashArea } from '../../../src/verity/hash-tree.js';
import { LeafStore } from '../../../src/verity/leaf-store.js';
import { TreeDigests } from '../../../src/verity/tree-digests.js';

const uuid = new Uint8Array(16).fill(3);

describe.each([1, 2, 127, 128, 129, 255, 256, 257, 16384, 16385])('%d blocks', (dataBlocks) => {
  test.each([0, 32])('salt of %d bytes', (saltSize) => {
    const salt = new Uint8Array(saltSize).fill(9);
    const store = new LeafStore(salt);
    const digests = new TreeDigests({ dataBlocks, salt, uuid });
    // In steps that fit no block.
    for (let block = 0; block < dataBlocks; block += 100) {
      const leaves = Buffer.concat(Array.from({ length: Math.min(100, dataBlocks - block) }, (_, i) => sha256(Buffer.from(String(block + i)))));
      store.add(leaves);
      digests.add(leaves);
    }
    const { rootHash, content } = buildHashArea({ leaves: store, salt, uuid });
    const area = wholeContent(content);
    const expected = new Uint8Array(area.length / 4096 * DIGEST_SIZE);
    hashLeaves(area, salt, expected);
    const found = digests.finish();
    expect(Buffer.compare(found.rootHash, rootHash)).toBe(0);
    expect(Buffer.compare(found.blocks, expected)).toBe(0);
  });
});
