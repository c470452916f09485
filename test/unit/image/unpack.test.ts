import { readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { openImage } from '../../../src/image/open.js';
import { unpackImage } from '../../../src/image/unpack.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { chunksOf } from '../../helpers/kept-chunks.js';
import { anybody } from '../../helpers/lazy-mount.js';
import { noise } from '../../helpers/make-tree.js';
import { packBytes } from '../../helpers/packed-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const CHUNK = 16384;
/** Holes at the start, inside, over the end of an index page, and within a chunk. */
const fileSystem = Buffer.alloc(1030 * CHUNK);
let image: Buffer;

beforeAll(async () => {
  for (const chunk of [2, 3, 7, 1000, 1029]) fileSystem.set(noise(CHUNK, chunk), chunk * CHUNK);
  fileSystem.fill(0, 7 * CHUNK + 4096, 7 * CHUNK + 8192);
  image = await packBytes(fileSystem, loadPrivateKey(generateKey('ed25519').privatePem), { salt: Buffer.from('salt') });
});

async function unpacked(file: Buffer): Promise<{ raw: Buffer; hashArea: Buffer }> {
  return withTempDir(async (folder) => {
    writeFileSync(`${folder}/image`, file);
    await using opened = await openImage(`${folder}/image`, { trust: anybody });
    const progress: number[] = [];
    await unpackImage(opened, `${folder}/raw`, { sidecars: true, onProgress: (done, total) => { progress.push(done / total); } });
    expect(progress.at(-1)).toBe(1);
    return { raw: readFileSync(`${folder}/raw`), hashArea: readFileSync(`${folder}/raw.verity`) };
  });
}

describe('unpack', () => {
  test('holes are holes, in salted images too', async () => {
    const { raw, hashArea } = await unpacked(image);
    expect(raw.subarray(0, fileSystem.length).equals(fileSystem)).toBe(true);
    expect(raw.subarray(fileSystem.length).equals(hashArea)).toBe(true);
    expect(hashArea.subarray(0, 6).toString()).toBe('verity');
  });

  test('what a chunk of zeros is, its id says: its frame is not looked at; any other is', async () => {
    const chunks = chunksOf(image);
    const damaged = (chunk: number): Buffer => {
      const file = Buffer.from(image);
      file[chunks[chunk]!.frameOffset + 6]! ^= 0xff;
      return file;
    };
    expect((await unpacked(damaged(5))).raw.subarray(0, fileSystem.length).equals(fileSystem)).toBe(true);
    await expect(unpacked(damaged(3))).rejects.toMatchObject({ code: 'CHUNK_DIGEST_MISMATCH' });
  });
});
