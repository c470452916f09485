/** A whole, signed image, cut or damaged anywhere: `verify` refuses it, always with a typed error, in bounded memory. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import { buildImage } from '../../../src/image/build.js';
import { verifyImage } from '../../../src/image/verify.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { Cli } from '../../helpers/cli.js';
import { makeTree, noise } from '../../helpers/make-tree.js';

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
async function verdict(bytes: Uint8Array): Promise<string | undefined> {
  writeFileSync(scratch.path('damaged.img'), bytes);
  try {
    await verifyImage(scratch.path('damaged.img'), { trust: { keys: [loadPrivateKey(key.privatePem)], now: 0 }, jobs: 1 });
    return undefined;
  } catch (error) {
    if (error instanceof ThawfsError) return error.code;
    throw error;
  }
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
