/** `verify` reads every byte, so every byte that is changed must be found: with a typed error, at any place. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseHex } from '../../../src/bytes/hex.js';
import { decodeHead, encodeHead, type Head } from '../../../src/chunk/head.js';
import { ThawfsError } from '../../../src/errors.js';
import { decodeManifest, encodeManifest, type Manifest } from '../../../src/format/manifest.js';
import { checkContainer } from '../../../src/image/check-container.js';
import { openImage } from '../../../src/image/open.js';
import { createPool } from '../../../src/image/pack.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { compressible } from '../../helpers/codecs.js';
import { packBytes } from '../../helpers/packed-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const key = loadPrivateKey(generateKey('ed25519').privatePem);
const content = compressible(37 * 4096);
content.fill(0, 50_000, 90_000);
let file: Buffer;
let head: Head;
beforeAll(async () => {
  file = await packBytes(content, key, { salt: Uint8Array.of(1, 2) });
  head = decodeHead(file);
});

/** @returns the code that the full check ends with, undefined when all is well */
function codeOf(bytes: Uint8Array): Promise<string | undefined> {
  return withTempDir(async (directory) => {
    const path = join(directory, 'image');
    writeFileSync(path, bytes);
    try {
      await using image = await openImage(path, { trust: { keys: [], allowUnsigned: true, now: 0 } });
      const { index: { chunkSize }, verity: { salt } } = image.manifest;
      const pool = createPool({ chunkSize, level: 3, salt: parseHex(salt, 'salt'), jobs: 1 });
      try {
        await checkContainer(image, { path, pool }, {});
      } finally {
        await pool.close();
      }
      return undefined;
    } catch (error) {
      if (error instanceof ThawfsError) return error.code;
      throw error;
    }
  });
}

/** Signs whatever it is given: the reader believes manifest and index, and has only the data to go by. */
function resealed(change: (manifest: Manifest) => unknown): Buffer {
  const manifest = decodeManifest(head.manifest);
  const changed = Buffer.from(file);
  changed.set(encodeHead({ manifest: encodeManifest({ ...manifest, ...change(manifest) as Partial<Manifest> }), rootPage: head.rootPage, headSize: head.headSize, indexOffset: head.indexOffset }));
  return changed;
}

describe('the whole check', () => {
  test('passes what was packed', async () => {
    expect(await codeOf(file)).toBeUndefined();
  });

  test('finds a flipped bit anywhere behind the head', async () => {
    const places = [head.headSize, head.headSize + 4, head.indexOffset - 1, head.indexOffset, head.indexOffset + 4, head.indexOffset + 7, file.length - 1, file.length - 5, file.length - 9, file.length - 20];
    for (let at = head.headSize + 100; at < file.length; at += 997) places.push(at);
    let harmless = 0;
    for (const at of places) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 1 << at % 8;
      const code = await codeOf(damaged);
      // zstd has a few codes that mean the same: the chunk is the right one, and its frame no longer that of our encoder.
      if (code === undefined && at < head.indexOffset) harmless++;
      else expect([at, code]).toEqual([at, expect.stringMatching(/^(CHUNK_DIGEST_MISMATCH|INDEX_DIGEST_MISMATCH|STRUCTURE_INVALID|TRUNCATED)$/)]);
    }
    expect(harmless).toBeLessThan(places.length / 20);
  });

  test('finds what does not belong into the head, or behind the file', async () => {
    const damaged = Buffer.from(file);
    damaged[head.headSize - 1] = 1;
    expect(await codeOf(damaged)).toBe('STRUCTURE_INVALID');
    expect(await codeOf(Buffer.concat([file, Buffer.alloc(1)]))).toBe('STRUCTURE_INVALID');
  });

  test('finds a file that was cut short', async () => {
    for (const length of [head.headSize, head.headSize + 50, head.indexOffset, head.indexOffset + 8, file.length - 1]) expect(await codeOf(file.subarray(0, length))).toBe('TRUNCATED');
  });

  test('a root hash that is not that of the data', async () => {
    expect(await codeOf(resealed(({ verity }) => ({ verity: { ...verity, rootHash: '5'.repeat(64) } })))).toBe('ROOT_DIGEST_MISMATCH');
  });

  test('a verity superblock of another uuid', async () => {
    expect(await codeOf(resealed(() => ({ uuid: '11111111-1111-1111-1111-111111111111' })))).toBe('ROOT_DIGEST_MISMATCH');
  });

  test('another salt', async () => {
    expect(await codeOf(resealed(({ verity }) => ({ verity: { ...verity, salt: '0103' } })))).toBe('CHUNK_DIGEST_MISMATCH');
  });
});
