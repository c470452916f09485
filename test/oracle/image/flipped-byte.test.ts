/** A flipped byte is refused wherever it lies: in the image file by `verify`, in the raw image by veritysetup. */
import { closeSync, mkdirSync, openSync, readFileSync, readSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { expect } from '@jest/globals';
import { ThawfsError } from '../../../src/errors.js';
import { mapImage } from '../../../src/image/map.js';
import { openImage } from '../../../src/image/open.js';
import { verifyImage } from '../../../src/image/verify.js';
import { generateKey, loadTrustedKeys } from '../../../src/trust/keys.js';
import { verityComplaints, withBuilt, type BuiltImage } from '../../helpers/image-judges.js';
import { makeTree, noise } from '../../helpers/make-tree.js';
import { selfSign } from '../../helpers/openssl.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const key = generateKey('rsa');
const other = generateKey('ed25519');
const options = { trust: { keys: loadTrustedKeys([key.publicPem]), now: 0 } };

/** An image of some 200 chunks with two signatures and a PKCS#7 one; the policy trusts one key. */
async function withSample(body: (image: BuiltImage) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const tree = `${directory}/tree`;
    mkdirSync(tree);
    makeTree(tree);
    writeFileSync(`${tree}/data`, noise(2 << 20, 99));
    writeFileSync(`${directory}/key.pem`, key.privatePem);
    selfSign(`${directory}/key.pem`, `${directory}/key.crt`, '/CN=signer');
    await withBuilt({ source: tree, chunkSize: 16384, keys: [{ pem: key.privatePem }, { pem: other.privatePem }], certificate: readFileSync(`${directory}/key.crt`, 'utf8') }, body);
  });
}

/** Flips bits of one byte while the body runs. */
async function withFlipped<T>(path: string, offset: number, body: () => T | Promise<T>): Promise<T> {
  const byte = Buffer.alloc(1);
  const fd = openSync(path, 'r+');
  const flip = (): void => {
    readSync(fd, byte, 0, 1, offset);
    byte[0]! ^= 1 << offset % 8;
    writeSync(fd, byte, 0, 1, offset);
  };
  try {
    flip();
    return await body();
  } finally {
    flip();
    closeSync(fd);
  }
}

/** @returns `count` places spread evenly over [start, end), both ends among them. */
function spread(start: number, end: number, count: number): number[] {
  return [...new Set(Array.from({ length: count }, (_, i) => start + Math.round(i * (end - 1 - start) / Math.max(1, count - 1))))];
}

oracleTest(['openssl', 'zstd'], 'in the image file: every record of the format, and everywhere between', () => withSample(async ({ path }) => {
  await verifyImage(path, options);
  await using image = await openImage(path, options);
  const records = (await mapImage(image)).filter(({ space }) => space === 'file');
  const frames = records.filter(({ name }) => /chunk/.test(name) && !/index|page/.test(name));
  const fixed = records.filter((record) => !frames.includes(record) && record.length > 0);
  expect(frames.length).toBeGreaterThan(100);
  const places = new Set([
    ...spread(0, statSync(path).size, 120),
    ...fixed.flatMap(({ offset, length }) => spread(offset, offset + length, 2)).filter((_, i, all) => all.length < 150 || i % Math.ceil(all.length / 150) === 0),
    ...frames.filter((_, i) => i % 10 === 0).flatMap(({ offset, length }) => spread(offset, offset + length, 2)),
  ]);
  const accepted: string[] = [];
  for (const offset of places) {
    const problem = await withFlipped(path, offset, () => verifyImage(path, { ...options, jobs: 1 }).then(() => 'accepted', (error: unknown) => (error instanceof ThawfsError ? undefined : String(error))));
    if (problem !== undefined) accepted.push(`byte ${offset} (${records.findLast((record) => record.offset <= offset)!.name}): ${problem}`);
  }
  expect(accepted).toEqual([]);
  expect(places.size).toBeGreaterThan(200);
}));

oracleTest(['openssl', 'zstd', 'veritysetup'], 'in the raw image: files, metadata and hash tree', () => withSample(async ({ raw, report: { manifest } }) => {
  expect(verityComplaints(raw, manifest)).toBe('');
  const { hashOffset } = manifest.verity;
  // The superblock of the hash area is no part of the tree: veritysetup reads a few fields of it, verify compares all.
  for (const offset of [...spread(0, hashOffset, 40), ...spread(hashOffset + 4096, manifest.raw.size, 10)]) {
    expect([offset, await withFlipped(raw, offset, () => verityComplaints(raw, manifest))]).toEqual([offset, expect.stringContaining('veritysetup')]);
  }
}));
