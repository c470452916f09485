/** What a patch costs says whether each new file was compared with the old one that it was made from. Contents are noise: a wrong match saves nothing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openCodec } from '../../../src/codec/registry.js';
import { buildImage } from '../../../src/image/build.js';
import { makePatch, type MakePatchReport } from '../../../src/update/make-patch.js';
import { noise } from '../../helpers/make-tree.js';

const trust = { keys: [], allowUnsigned: true, now: 0 };
let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'thawfs-match-')); });
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

type Tree = Readonly<Record<string, Uint8Array>>;
const edited = (bytes: Uint8Array, ...places: number[]): Uint8Array => {
  let [from, parts] = [0, [] as Uint8Array[]];
  for (const place of places) [parts, from] = [[...parts, bytes.subarray(from, place), Buffer.from('some bytes more')], place];
  return Buffer.concat([...parts, bytes.subarray(from)]);
};

async function patchBetween(before: Tree, after: Tree): Promise<MakePatchReport> {
  for (const [age, tree] of [['old', before], ['new', after]] as const) {
    rmSync(at(age), { recursive: true, force: true });
    for (const [path, bytes] of Object.entries(tree)) {
      mkdirSync(dirname(at(`${age}/${path}`)), { recursive: true });
      writeFileSync(at(`${age}/${path}`), bytes);
    }
    await buildImage({ source: at(age), output: at(`${age}.img.zst`), chunkSize: 16384, name: 'app', sequence: 1, keys: [] });
  }
  return makePatch(at('old.img.zst'), at('new.img.zst'), at('patch'), { trust });
}

test('digits that are no versions: files of one folder whose names differ in them', async () => {
  const [a, b, c] = [noise(100_000, 1), noise(100_000, 2), noise(100_000, 3)];
  const { size } = await patchBetween(
    { 'net-6.1.0-47/cfg80211.h': a, 'net-6.1.0-47/cfg802154.h': b, 'net-6.1.0-47/cfg8.h': c },
    { 'net-6.1.0-56/cfg80211.h': edited(a, 50_000), 'net-6.1.0-56/cfg802154.h': edited(b, 70_000), 'net-6.1.0-56/cfg8.h': edited(c, 90_000) },
  );
  expect(size).toBeLessThan(10_000);
});

test('files of one name: the one from the folder that is named alike', async () => {
  const names = ['debug', 'semver', 'yallist'];
  const contents = names.map((_, i) => noise(60_000, 10 + i));
  const old = Object.fromEntries(names.map((name, i) => [`modules/app/modules/${name}/lib/index.js`, contents[i]!]));
  const now = Object.fromEntries(names.map((name, i) => [`modules/${name}/lib/index.js`, edited(contents[i]!, 1000 * (names.length - i))]));
  const { size } = await patchBetween(old, now);
  expect(size).toBeLessThan(10_000);
});

test('places far apart in one file that each differ a little', async () => {
  const large = noise(2_000_000, 20);
  const other = Uint8Array.from(large);
  for (const place of [0, 300, 999_999, 1_999_990]) other.fill(0, place, place + 10);
  const { size, data } = await patchBetween({ large }, { large: edited(other, 700_000, 1_400_000) });
  expect(data).toBeLessThan(100);
  expect(size).toBeLessThan(6_000);
});

test('names with digests say nothing: the one that has most in common', async () => {
  const [a, b, c] = [noise(100_000, 30), noise(100_000, 31), noise(300_000, 32)];
  const { size } = await patchBetween(
    { 'app/2f9ac1.js': a, 'app/b81e77.js': b, 'pack/pack-91df32.pack': c, 'readme': noise(5000, 33) },
    { 'app/d00d1e.js': edited(b, 70_000), 'app/e55a0b.js': edited(a, 50_000), 'pack/pack-8ebf6d.pack': Buffer.concat([noise(2000, 34), edited(c, 90_000)]), 'readme': noise(5000, 33) },
  );
  expect(size).toBeLessThan(12_000);
});

test('a name that digits make like others: the one that has most in common', async () => {
  const contents = [0, 1, 2].map((i) => noise(60_000, 40 + i));
  const { size } = await patchBetween(
    Object.fromEntries(contents.map((bytes, i) => [`base/${16384 + i}`, bytes])),
    Object.fromEntries(contents.map((bytes, i) => [`base/${24578 - i}`, edited(bytes, 1000 * (i + 1))])),
  );
  expect(size).toBeLessThan(10_000);
});

test('pages that were written anew are new, not different', async () => {
  const pages = noise(1_000_000, 50);
  const written = Uint8Array.from(pages);
  for (let page = 3; page < 240; page += 6) written.set(Buffer.from('what a page holds '.repeat(200)), page * 4096);
  const { size, data } = await patchBetween({ pages }, { pages: written });
  expect(data).toBeGreaterThan(40 * 3500);
  expect(size).toBeLessThan(6_000);
});

test('rotated logs: what a file begins with says more than its name', async () => {
  const [current, former, begun] = [noise(100_000, 50), noise(90_000, 51), noise(3000, 52)];
  const { size } = await patchBetween({ 'app.log': current, 'app.log.1': former }, { 'app.log': begun, 'app.log.1': Buffer.concat([current, noise(2000, 53)]), 'app.log.2': former });
  expect(size).toBeLessThan(10_000);
});

test('text that resembles the old one here and there is stored as it is where that is less', async () => {
  const line = (bytes: Uint8Array): string => `2026-11-02 host app: INFO request ${Buffer.from(bytes.subarray(0, 4)).toString('hex')} from 10.${bytes.subarray(4, 7).join('.')} took ${bytes[7]} ms status ${200 + bytes[8]! % 4}\n`;
  const log = (seed: number): Uint8Array => {
    const values = noise(40_000, seed);
    return Buffer.from(Array.from({ length: 2000 }, (_, i) => line(values.subarray(i * 20))).join(''));
  };
  const [old, now] = [log(60), log(61)];
  const target = new Uint8Array(now.length);
  const { size } = await patchBetween({ log: old }, { log: now });
  expect(size).toBeLessThan(1.05 * openCodec().compress(now, target, 19) + 1500);
});
