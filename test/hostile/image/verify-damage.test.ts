/** A whole, signed image, cut or damaged anywhere: `verify` refuses it, always with a typed error, in bounded memory. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { ThawfsError } from '../../../src/errors.js';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import { superblock, SUPERBLOCK_CHECKSUMMED } from '../../../src/format/ext4/superblock.js';
import { buildImage } from '../../../src/image/build.js';
import { verifyImage } from '../../../src/image/verify.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { Cli } from '../../helpers/cli.js';
import { makeTree, noise } from '../../helpers/make-tree.js';
import { directory, file } from '../../helpers/nodes.js';
import { readContent } from '../../helpers/tree-model.js';

const key = generateKey('ed25519');
const scratch = new Cli();
let image: Buffer;
beforeAll(async () => {
  const source = scratch.path('tree');
  mkdirSync(source);
  makeTree(source);
  writeFileSync(join(source, 'noise'), noise(300_000, 9));
  await buildImage({ source, output: scratch.path('app.img'), keys: [{ pem: key.privatePem }], chunkSize: 16384, jobs: 1 });
  image = readFileSync(scratch.path('app.img'));
});
afterAll(() => { scratch.remove(); });

/** @returns the code of what verifying ends in; undefined when it passes */
async function verdict(bytes: Uint8Array, trust: TrustPolicy = { keys: [loadPrivateKey(key.privatePem)], now: 0 }): Promise<string | undefined> {
  writeFileSync(scratch.path('damaged.img'), bytes);
  try {
    await verifyImage(scratch.path('damaged.img'), { trust, jobs: 1 });
    return undefined;
  } catch (error) {
    if (error instanceof ThawfsError) return error.code;
    throw error;
  }
}

/** @returns a file system with one wrong byte: the count of free blocks in its superblock */
function makeBroken(): string {
  const raw = scratch.path('broken.raw');
  writeFileSync(raw, readContent(layOutExt4(directory({ noise: file(noise(400_000, 5)) })).image));
  const bytes = readFileSync(raw);
  bytes[1024 + superblock.offsetOf('freeBlocksCountLo')]! ^= 1;
  bytes.writeUInt32LE(crc32c(0xffff_ffff, bytes.subarray(1024), 0, SUPERBLOCK_CHECKSUMMED), 1024 + superblock.offsetOf('checksum'));
  writeFileSync(raw, bytes);
  return raw;
}

test('whole', async () => { expect(await verdict(image)).toBeUndefined(); });

test('cut at 200 places', async () => {
  for (let i = 0; i < 200; i++) {
    const length = Math.floor(image.length * i / 200);
    expect([length, await verdict(image.subarray(0, length))]).toEqual([length, 'TRUNCATED']);
  }
}, 180_000);

test('bytes behind its end', async () => {
  expect(await verdict(Buffer.concat([image, Buffer.alloc(1)]))).toBeDefined();
});

test('200 flipped bits', async () => {
  const random = noise(800, 3);
  const memoryBefore = process.memoryUsage().rss; // other suites ran in this process
  let passed = 0;
  for (let i = 0; i < 200; i++) {
    const bit = random.readUInt32LE(i * 4) % (image.length * 8);
    image[bit >> 3]! ^= 1 << (bit & 7);
    if (await verdict(image) === undefined) passed++;
    image[bit >> 3]! ^= 1 << (bit & 7);
  }
  expect(passed).toBeLessThanOrEqual(2); // A few bits of a zstd frame mean nothing (RFC 8878 section 3.1.1.1.1): its content is still the same.
  expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(512 * 2 ** 20);
}, 180_000);

test('of two damages, the container\'s is told, wherever it lies and whichever is met first', async () => {
  const broken = makeBroken();
  await buildImage({ source: `ext4:${broken}`, output: scratch.path('broken.img'), chunkSize: 16384, check: false });
  const sound = readFileSync(scratch.path('broken.img'));
  const codes = async (bytes: Uint8Array): Promise<string | undefined> => verdict(bytes, { keys: [], allowUnsigned: true, now: 0 });
  expect(await codes(sound)).toBe('STRUCTURE_INVALID');
  const places = [0.3, 0.6, 0.95].map((part) => Math.floor(sound.length * part));
  for (const at of places) {
    sound[at]! ^= 0xff;
    expect([at, await codes(sound)]).toEqual([at, expect.stringMatching(/DIGEST_MISMATCH$/)]);
    sound[at]! ^= 0xff;
  }
});
