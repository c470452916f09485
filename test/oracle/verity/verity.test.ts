/** Our dm-verity and fs-verity against veritysetup and fsverity. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { formatUuid, parseUuid } from '../../../src/bytes/uuid.js';
import { toHex } from '../../../src/bytes/hex.js';
import { hashTreeSize } from '../../../src/format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../../../src/hash/sha256.js';
import { wholeContent } from '../../../src/image/content-reader.js';
import { describeFsVerity } from '../../../src/verity/fsverity.js';
import { buildHashArea } from '../../../src/verity/hash-tree.js';
import { LeafStore } from '../../../src/verity/leaf-store.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const uuid = parseUuid('01234567-89ab-cdef-0123-456789abcdef', 'test');

/** Blocks that all differ, with a run of zero blocks in the middle third. */
function sampleBlocks(count: number): Buffer {
  const data = Buffer.alloc(count * 4096);
  for (let block = 0; block < count; block++) {
    if (block * 3 >= count && block * 3 < count * 2 && count > 3) continue;
    data.writeUInt32LE(block + 1, block * 4096);
    data.writeUInt32LE(block * 2654435761 >>> 0, block * 4096 + 4092);
  }
  return data;
}

function leavesOf(data: Buffer, salt: Uint8Array): LeafStore {
  const store = new LeafStore(salt);
  const zero = Buffer.alloc(4096);
  for (let at = 0; at < data.length;) {
    let end = at;
    while (end < data.length && data.compare(zero, 0, 4096, end, end + 4096) === 0) end += 4096;
    if (end > at) {
      store.addZeroBlocks((end - at) / 4096);
      at = end;
      continue;
    }
    const leaves = new Uint8Array(DIGEST_SIZE);
    hashLeaves(data.subarray(at, at + 4096), salt, leaves);
    store.add(leaves);
    at += 4096;
  }
  return store;
}

describe('dm-verity', () => {
  for (const saltSize of [0, 32, 256]) {
    for (const blocks of [1, 2, 127, 128, 129, 16384, 16385]) {
      oracleTest(['veritysetup'], `${blocks} blocks, ${saltSize} bytes of salt: the hash area is byte-identical with veritysetup format`, () => withTempDir((folder) => {
        const salt = Uint8Array.from({ length: saltSize }, (_, i) => i * 7 & 255);
        const data = sampleBlocks(blocks);
        const [image, hashes] = [join(folder, 'data'), join(folder, 'hashes')];
        writeFileSync(image, data);
        const output = execFileSync('veritysetup', ['format', `--salt=${saltSize === 0 ? '-' : toHex(salt)}`, `--uuid=${formatUuid(uuid)}`, image, hashes], { encoding: 'utf8' });
        const { rootHash, content } = buildHashArea({ leaves: leavesOf(data, salt), salt, uuid });
        expect(toHex(rootHash)).toBe(/Root hash:\s*([0-9a-f]{64})/.exec(output)?.[1]);
        expect(content.size).toBe(4096 + hashTreeSize(blocks));
        expect(Buffer.compare(wholeContent(content), readFileSync(hashes))).toBe(0);
      }));
    }
  }
});

describe('fs-verity', () => {
  for (const size of [0, 1, 4095, 4096, 4097, 128 * 4096, 128 * 4096 + 1, 528385, 5_000_000]) {
    oracleTest(['fsverity'], `a file of ${size} bytes has the digest that fsverity prints`, () => withTempDir((folder) => {
      const data = Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255));
      const file = join(folder, 'file');
      writeFileSync(file, data);
      const leaves = new Uint8Array(Math.ceil(size / 4096) * DIGEST_SIZE);
      hashLeaves(data, new Uint8Array(0), leaves);
      const { digest } = describeFsVerity(leaves, size);
      expect(`sha256:${toHex(digest)}`).toBe(execFileSync('fsverity', ['digest', '--compact', file], { encoding: 'utf8' }).trim().replace(/^(?!sha256:)/, 'sha256:'));
    }));
  }
});
