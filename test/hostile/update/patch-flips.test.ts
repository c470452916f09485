/** A patch with any one bit changed is refused, with a typed error, and nothing appears under the name of the new image. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { hasCode } from '../../../src/errors.js';
import { applyPatch } from '../../../src/update/apply-patch.js';
import { makePatch } from '../../../src/update/make-patch.js';
import { noise } from '../../helpers/make-tree.js';

const trust = { keys: [], allowUnsigned: true, now: 0 };
const FLIPS = 1000;
let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-flips-'));
  mkdirSync(at('tree'));
  const old = noise(60_000, 1);
  writeFileSync(at('tree/file'), old);
  await buildImage({ source: at('tree'), output: at('old'), chunkSize: 16384, name: 'app' });
  writeFileSync(at('tree/file'), Buffer.concat([old.subarray(0, 30_000), noise(3000, 2), old.subarray(31_000)]));
  await buildImage({ source: at('tree'), output: at('new'), chunkSize: 16384, name: 'app' });
  await makePatch(at('old'), at('new'), at('patch'), { trust });
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const apply = (patch: Uint8Array): Promise<string> => applyPatch(at('old'), '-', at('result'), { trust, stdin: Readable.from([patch]) })
  .then(() => 'accepted', (error: unknown) => (hasCode(error) ? error.code : String(error)));

test('the patch as it is', async () => {
  expect(await apply(readFileSync(at('patch')))).toBe('accepted');
  expect(readFileSync(at('result')).equals(readFileSync(at('new')))).toBe(true);
  rmSync(at('result'));
});

test(`${FLIPS} flipped bits`, async () => {
  const patch = readFileSync(at('patch'));
  const outcomes = new Map<string, number>();
  for (let i = 0; i < FLIPS; i++) {
    const flipped = Buffer.from(patch);
    const bit = Math.floor(((i * 0.618033988749895) % 1) * patch.length * 8);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    const outcome = await apply(flipped);
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    if (existsSync(at('result'))) throw new Error(`bit ${bit} flipped: a new image appeared`);
  }
  const typed = ['CHECKSUM_MISMATCH', 'BAD_MAGIC', 'VERSION_UNSUPPORTED', 'LIMIT_EXCEEDED', 'TRUNCATED', 'BAD_FIELD'];
  expect([...outcomes.keys()].filter((outcome) => !typed.includes(outcome))).toEqual([]);
});
