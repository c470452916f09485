/** Patches beside an image: taken when they are the smaller way, harmless when they are anything else. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { openImage } from '../../../src/image/open.js';
import { unpackImage } from '../../../src/image/unpack.js';
import { generateKey, loadTrustedKeys } from '../../../src/trust/keys.js';
import type { TrustPolicy } from '../../../src/trust/policy.js';
import { makePatch } from '../../../src/update/make-patch.js';
import { patchBeside, publishPatch } from '../../../src/update/published-patch.js';
import { pullImage, type PullOptions, type PullReport } from '../../../src/update/pull.js';
import type { PullCost } from '../../../src/update/pull-cost.js';
import { noise } from '../../helpers/make-tree.js';
import { withRangeServer, type RangeServer, type Served } from '../../helpers/range-server.js';
import { withTempDir } from '../../helpers/temp-dir.js';

let folder: string;
let trust: TrustPolicy;
let published: Buffer;
let patch: Buffer;
/** From the same image to another one. */
let otherPatch: Buffer;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-test-'));
  const pair = generateKey('ed25519');
  const keys = [{ pem: pair.privatePem }];
  trust = { keys: loadTrustedKeys([pair.publicPem], 'test'), now: 0 };
  mkdirSync(at('tree'));
  const write = (before: number): void => { for (let i = 0; i < 10; i++) writeFileSync(at(`tree/${i}`), Buffer.concat([noise(before, 77), noise(200_000, i + 1)])); };
  for (const [name, before] of [['old', 0], ['new', 1000], ['other', 2000]] as const) { // moved by no whole number of blocks: every chunk changes
    write(before);
    if (name !== 'old') writeFileSync(at('tree/added'), noise(300_000, before)); // more than comes with the opening of a patch
    await buildImage({ source: at('tree'), output: at(name), name: 'app', sequence: 1, keys, jobs: 1 });
  }
  await using old = await openImage(at('old'), { trust });
  await unpackImage(old, at('old.raw'));
  patch = readFileSync((await publishPatch(at('old'), at('new'), { trust })).patch);
  await makePatch(at('old'), at('other'), at('other.patch'), { trust });
  otherPatch = readFileSync(at('other.patch'));
  published = readFileSync(at('new'));
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

interface Setting { readonly server: RangeServer; readonly output: string; readonly names: () => string[]; readonly pull: (options?: Partial<PullOptions>) => Promise<PullReport> }

const served = (bytes: Buffer): Served => ({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) });

/** The origin has the image, and `beside` where a patch is looked for. */
function setting(beside: Buffer | undefined, body: (setting: Setting) => Promise<void>): Promise<void> {
  return withTempDir((target) => withRangeServer(published, { interfere: (request, response, server) => {
    const bytes = request.url!.endsWith('.thawpatch') ? beside : published;
    if (bytes === undefined) response.writeHead(404).end();
    else server.served = served(bytes);
    return bytes === undefined;
  } }, async (server) => {
    const output = join(target, 'got');
    await body({ server, output, names: () => readdirSync(target), pull: (more = {}) => pullImage(server.url, output, { trust, seeds: [at('old')], ...more }) });
    expect(readFileSync(output).equals(published)).toBe(true);
    expect(readdirSync(target)).toEqual(['got']);
  }));
}

describe('a patch beside the image', () => {
  test('is fetched instead of chunks; what was announced is what comes', () => setting(patch, async ({ server, pull }) => {
    let before = 0;
    const { cost, fetched } = await pull({ maxBytes: 500_000, onPlan: () => { before = server.bytesSent; } });
    expect(cost.patch).toMatchObject({ size: patch.length, from: at('old') });
    expect(cost.patch!.instead).toBeGreaterThan(2_000_000);
    expect(cost.fetch).toBeGreaterThan(200_000);
    expect(server.bytesSent - before).toBe(cost.fetch);
    expect(server.bytesSent).toBe(fetched);
    expect(fetched).toBe(cost.opened + cost.fetch);
    expect(fetched).toBeLessThan(patch.length + 65_537);
  }));

  test('serves who has the old image raw', () => setting(patch, async ({ pull }) => {
    const { cost } = await pull({ seeds: [at('old.raw')] });
    expect(cost.patch).toMatchObject({ size: patch.length, from: at('old.raw') });
    expect(cost.foreignSeeds).toEqual([]);
  }));

  test('is of no use to who has the old image raw and damaged', () => setting(patch, async ({ server, pull }) => {
    const raw = readFileSync(at('old.raw'));
    raw.set(noise(100_000, 1), 1_000_000);
    writeFileSync(at('damaged.raw'), raw);
    const plans: PullCost[] = [];
    await pull({ seeds: [at('damaged.raw')], onPlan: (cost) => { plans.push(cost); } });
    expect(plans.map((cost) => cost.patch === undefined)).toEqual([false, true]);
    expect(server.seen.filter(({ path }) => path.endsWith('.thawpatch')).length).toBeGreaterThan(0);
  }));

  test.each<[string, (raw: Buffer, hashOffset: number) => Buffer]>([
    ['a file system without a hash tree', (raw, hashOffset) => raw.subarray(0, hashOffset)],
    ['zeros where the superblock of the tree stood', (raw, hashOffset) => raw.fill(0, hashOffset, hashOffset + 4096)],
    ['the superblock of another file system', (raw, hashOffset) => { raw[hashOffset + 72]! ^= 1; return raw; }],
    ['a salt that is too long', (raw, hashOffset) => { raw[hashOffset + 81] = 2; return raw; }],
    ['another tree', (raw, hashOffset) => { raw[hashOffset + 4096]! ^= 1; return raw; }],
  ])('is not asked for by who has %s', (_, change) => setting(undefined, async ({ server, pull }) => {
    await using old = await openImage(at('old'), { trust });
    writeFileSync(at('changed.raw'), change(readFileSync(at('old.raw')), old.manifest.verity.hashOffset));
    expect((await pull({ seeds: [at('changed.raw')] })).cost.patch).toBeUndefined();
    expect(server.seen.some(({ path }) => path.endsWith(`.from-${old.manifest.verity.rootHash.slice(0, 16)}.thawpatch`))).toBe(false);
  }));

  test('that starts from another image than its name says is left alone', () => setting(patch, async ({ pull }) => {
    const { cost } = await pull({ seeds: [at('other')] });
    expect(cost.patch).toBeUndefined();
  }));

  test('is not looked for when that is not wanted, or there is nothing to gain', () => setting(patch, async ({ server, pull }) => {
    expect((await pull({ patches: false })).cost.patch).toBeUndefined();
    expect((await pull()).cost).toMatchObject({ fetch: 0 }); // the output is there
    expect(server.seen.some(({ path }) => path.endsWith('.thawpatch'))).toBe(false);
  }));

  test('may be missing', () => setting(undefined, async ({ pull }) => { expect((await pull()).cost.patch).toBeUndefined(); }));

  test('is left alone when it makes another image', () => setting(otherPatch, async ({ pull }) => { expect((await pull()).cost.patch).toBeUndefined(); }));

  test('is left alone when it is no patch', () => setting(noise(100_000, 5), async ({ pull }) => { expect((await pull()).cost.patch).toBeUndefined(); }));

  test('that is damaged costs itself: chunks are fetched then, within the limit', async () => {
    const damaged = Buffer.from(patch);
    damaged[damaged.length - 100]! ^= 1;
    await setting(damaged, async ({ pull }) => {
      const plans: PullCost[] = [];
      await expect(pull({ maxBytes: 2_000_000, onPlan: (cost) => { plans.push(cost); } })).rejects.toMatchObject({ code: 'FETCH_LIMIT_EXCEEDED' });
      expect(plans.map((cost) => cost.patch === undefined)).toEqual([false, true]);
      expect((await pull()).cost.patch).toBeUndefined();
    });
  });

  test('is kept when the run ends early, and not fetched again', () => setting(patch, async ({ names, pull }) => {
    const stop = new AbortController();
    await expect(pull({ signal: stop.signal, onProgress: (stage) => { if (stage === 'fetch') stop.abort(new Error('enough')); } })).rejects.toThrow('enough');
    expect(names().some((name) => name.endsWith('.thawpatch'))).toBe(true);
    expect((await pull()).cost).toMatchObject({ fetch: 0, patch: { size: patch.length } });
  }));
});

test('where a patch is looked for', () => {
  const root = '0123456789abcdef'.repeat(4);
  expect(patchBeside('a/b.img.zst', root)).toBe('a/b.img.zst.from-0123456789abcdef.thawpatch');
  expect(patchBeside('https://h/a.img.zst?token=1', root)).toBe('https://h/a.img.zst.from-0123456789abcdef.thawpatch?token=1');
});
