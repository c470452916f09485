/** Patches for gzip files: described by their contents where `gzip -9` made them, as they lie where something else did. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { openImage } from '../../../src/image/open.js';
import { unpackImage } from '../../../src/image/unpack.js';
import { applyPatch } from '../../../src/update/apply-patch.js';
import { inspectPatch } from '../../../src/update/inspect-patch.js';
import { makePatch } from '../../../src/update/make-patch.js';
import { gzipNine, text } from '../../helpers/gzip-file.js';

const trust = { keys: [], allowUnsigned: true, now: 0 };
let folder: string;
const at = (name: string): string => join(folder, name);
const bytes = (name: string): Buffer => readFileSync(at(name));
const changed = (content: Buffer): Buffer => Buffer.concat([Buffer.from('a new entry at the top\n'), content.subarray(0, content.length >> 1), Buffer.from('and a few words\n'), content.subarray(content.length >> 1)]);

async function build(name: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  rmSync(at('tree'), { recursive: true, force: true });
  mkdirSync(at('tree'));
  for (const [path, content] of Object.entries(files)) writeFileSync(at(`tree/${path}`), content);
  await buildImage({ source: at('tree'), output: at(`${name}.img.zst`), chunkSize: 16384, name: 'app', sequence: 1, keys: [] });
  await using image = await openImage(at(`${name}.img.zst`), { trust });
  await unpackImage(image, at(`${name}.img`));
}

const log = text(300_000, 1);
const page = text(20_000, 2);
const other = text(60_000, 3);
const named = Buffer.from(gzipNine(page));
named[3] = 8; // FNAME
const withName = (file: Buffer): Buffer => Buffer.concat([file.subarray(0, 10), Buffer.from('page.1\0'), file.subarray(10)]);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-gzip-'));
  const newName = Buffer.from(gzipNine(changed(page)));
  newName[3] = 8;
  await build('old', { 'log.gz': gzipNine(log), 'page.gz': withName(named), 'other.gz': gzipSync(other, { level: 9 }), 'plain': text(50_000, 9) });
  await build('new', { 'log.gz': gzipNine(changed(log)), 'page.gz': withName(newName), 'other.gz': gzipSync(changed(other), { level: 9 }), 'plain': text(50_000, 9), 'fresh.gz': gzipNine(text(30_000, 7)) });
  await makePatch(at('old.img.zst'), at('new.img.zst'), at('patch'), { trust });
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

test('contents that changed a little cost little; what another compressor made lies as it is', async () => {
  const { kinds, files } = await inspectPatch(at('patch'), { trust, image: at('new.img.zst') });
  expect(kinds.gzip.operations).toBe(3);
  const costs = Object.fromEntries(files!.map((file) => [file.path, file.costs]));
  expect(costs['/log.gz']).toBeLessThan(1000);
  expect(costs['/page.gz']).toBeLessThan(1000);
  expect(costs['/other.gz']).toBeGreaterThan(10_000);
});

test.each(['old.img.zst', 'old.img'])('from %s, to an image file and to a raw image', async (base) => {
  await applyPatch(at(base), at('patch'), at('result'), { trust });
  expect(bytes('result').equals(bytes('new.img.zst'))).toBe(true);
  await applyPatch(at(base), at('patch'), at('result'), { trust, raw: true });
  expect(bytes('result').equals(bytes('new.img'))).toBe(true);
});

test('is continued inside a gzip', async () => {
  const { manifest: { verity: { rootHash } } } = await inspectPatch(at('patch'), { trust });
  const partial = at(`.result.${rootHash.slice(0, 16)}.patch`);
  const start = bytes('new.img').indexOf(gzipNine(changed(log)).subarray(0, 64));
  for (const size of [start, start + 4096, start + 50_000, bytes('new.img').length]) {
    rmSync(at('result'), { force: true });
    writeFileSync(partial, bytes('new.img'));
    truncateSync(partial, size);
    const { resumedAt } = await applyPatch(at('old.img.zst'), at('patch'), at('result'), { trust, raw: true });
    expect(resumedAt).toBeGreaterThan(0);
    expect(bytes('result').equals(bytes('new.img'))).toBe(true);
  }
});

test('a damaged gzip file in the old image: that is to blame', async () => {
  const damaged = bytes('old.img');
  const file = gzipNine(log);
  damaged[damaged.indexOf(file.subarray(0, 64)) + 30_000]! ^= 1;
  writeFileSync(at('damaged.img'), damaged);
  rmSync(at('result'), { force: true });
  await expect(applyPatch(at('damaged.img'), at('patch'), at('result'), { trust, raw: true })).rejects.toEqual(expect.objectContaining({ code: 'CHUNK_DIGEST_MISMATCH' }));
  expect(readdirSync(folder).filter((name) => name.includes('result'))).toEqual([]);
});
