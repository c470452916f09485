/** What progress bars are told: it never goes back, and every stage that begins ends at its total. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { checkCache } from '../../src/image/check-cache.js';
import { fillCache } from '../../src/image/fill-cache.js';
import { openImage } from '../../src/image/open.js';
import { unpackImage } from '../../src/image/unpack.js';
import { verifyImage } from '../../src/image/verify.js';
import { publishImage } from '../../src/publish/publish-image.js';
import { DiskStore } from '../../src/store/disk-store.js';
import { applyPatch, patchInPlace } from '../../src/update/apply-patch.js';
import { makePatch } from '../../src/update/make-patch.js';
import { publishPatch } from '../../src/update/published-patch.js';
import { pullImage } from '../../src/update/pull.js';
import { noise } from '../helpers/make-tree.js';
import { ProgressWatch } from '../helpers/progress.js';
import { servedBytes, withRangeServer } from '../helpers/range-server.js';

let folder: string;
let watch: ProgressWatch;
const at = (name: string): string => join(folder, name);
const trust = { keys: [], allowUnsigned: true, now: 0 };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-test-'));
  for (const [name, changed] of [['old', 0], ['new', 2]] as const) {
    mkdirSync(at(`tree-${name}`));
    for (let i = 0; i < 12; i++) writeFileSync(at(`tree-${name}/${i}`), noise(150_001, i < changed ? 100 + i : i));
    writeFileSync(at(`tree-${name}/zeros`), Buffer.alloc(300_000));
    watch = new ProgressWatch();
    await buildImage({ source: at(`tree-${name}`), output: at(name), name: 'progress', onProgress: watch.ofStage });
    expect(watch.finish('scan', 'pack', 'check')).toEqual([]);
  }
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

/** @param stages that must be heard of */
async function watched(stages: readonly string[], body: (watch: ProgressWatch) => Promise<unknown>): Promise<void> {
  watch = new ProgressWatch();
  await body(watch);
  expect(watch.finish(...stages)).toEqual([]);
}

test('the watch sees what is wrong', () => {
  for (const [reports, complaint] of [[[[1, 3], [2, 3]], 'ends'], [[[2, 3], [1, 3], [3, 3]], 'from'], [[[4, 3]], 'of 3'], [[], 'nothing']] as const) {
    watch = new ProgressWatch();
    for (const [done, total] of reports) watch.only(done, total);
    expect(watch.finish().join()).toContain(complaint);
  }
});

describe('progress', () => {
  test('verify, of a file and of a URL', async () => {
    await watched([], ({ only }) => verifyImage(at('old'), { trust, onProgress: only }));
    await withRangeServer(readFileSync(at('old')), {}, ({ url }) => watched([], ({ only }) => verifyImage(url, { trust, onProgress: only })));
  });

  test('unpack', async () => {
    await using image = await openImage(at('old'), { trust });
    await watched([], ({ only }) => unpackImage(image, at('raw'), { onProgress: only }));
  });

  test('diff -o, patch, patch in place', async () => {
    await watched([], ({ only }) => makePatch(at('old'), at('new'), at('patch'), { trust, onProgress: only }));
    await watched([], ({ only }) => applyPatch(at('old'), at('patch'), at('patched'), { trust, onProgress: only }));
    await watched([], ({ only }) => patchInPlace(at('raw'), at('patch'), { trust, onProgress: only }));
    await using image = await openImage(at('new'), { trust });
    await unpackImage(image, at('raw-new'));
    expect(readFileSync(at('raw')).equals(readFileSync(at('raw-new')))).toBe(true);
  });

  test('pull: all of it, with a seed, with a damaged seed, after an interruption, by a patch', async () => {
    const patch = readFileSync((await publishPatch(at('old'), at('new'), { trust })).patch);
    const image = readFileSync(at('new'));
    const damaged = Buffer.from(readFileSync(at('old')));
    damaged.fill(0x55, damaged.length >> 1, (damaged.length >> 1) + 70_000);
    writeFileSync(at('damaged'), damaged);
    await withRangeServer(image, { interfere: ({ url }, _, server) => {
      server.served = servedBytes(url!.endsWith('.thawpatch') ? patch : image);
      return false;
    } }, async ({ url }) => {
      const pull = (output: string, stages: readonly string[], more: object = {}): Promise<void> => watched(stages, ({ ofStage }) => pullImage(url, at(output), { trust, patches: false, onProgress: ofStage, ...more }));
      await pull('got-all', ['fetch', 'check']);
      await pull('got-seeded', ['copy', 'fetch', 'check'], { seeds: [at('old')] });
      await pull('got-damaged', ['copy', 'fetch', 'check'], { seeds: [at('damaged')] });
      const enough = new AbortController();
      const ending = pullImage(url, at('got-twice'), { trust, patches: false, signal: enough.signal, onProgress: (_, done, total) => { if (done > total / 2) enough.abort(new Error('enough')); } });
      await expect(ending).rejects.toThrow('enough');
      await pull('got-twice', ['fetch', 'check']);
      await pull('got-patched', ['fetch', 'copy'], { seeds: [at('old')], patches: true });
      for (const name of ['all', 'seeded', 'damaged', 'twice', 'patched']) expect(readFileSync(at(`got-${name}`)).equals(image)).toBe(true);
    });
  });

  test('fill, and cache check', async () => {
    await withRangeServer(readFileSync(at('old')), {}, async ({ url }) => {
      for (let i = 0; i < 2; i++) await watched([], ({ only }) => fillCache(url, { trust, cache: at('cache'), onProgress: only }));
    });
    await watched([], ({ only }) => checkCache(new DiskStore(at('cache')), { onProgress: only }));
  });

  test('publish', async () => {
    const registry = createServer((request, response) => {
      const status = { HEAD: 404, POST: 202, PUT: 201 }[request.method!] ?? 400;
      request.resume().on('end', () => { response.writeHead(status, status === 202 ? { location: '/v2/app/blobs/uploads/1' } : {}).end(); });
    }).listen(0, '127.0.0.1');
    await new Promise((listening) => registry.once('listening', listening));
    try {
      await watched(['reading', 'sending'], ({ ofStage }) => publishImage(at('old'), `oci://127.0.0.1:${(registry.address() as AddressInfo).port}/app:1`, { onProgress: ofStage }));
    } finally {
      registry.closeAllConnections();
      registry.close();
    }
  });
});
