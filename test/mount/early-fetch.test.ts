/** What a front fetches while the server of its mount is still loading. */
import { existsSync, mkdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { EarlyFetch } from '../../src/mount/early-fetch.js';
import { mountImages } from '../../src/mount/mount-image.js';
import type { MountOptions } from '../../src/mount/mount-options.js';
import { mountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { chunksOf, objectPath } from '../helpers/kept-chunks.js';
import { anybody, withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const kept = ({ image, cache }: LazyFixture): number => chunksOf(image).filter((chunk) => existsSync(objectPath(cache, chunk))).length;

function open({ server, cache }: LazyFixture, options: Partial<MountOptions> = {}): Promise<EarlyFetch> {
  return EarlyFetch.open({ locations: [server.url], cache }, { trust: anybody, ...options });
}

describe('EarlyFetch', () => {
  test('goes on after the first chunks, and tells what that has cost', () => withLazyFixture({}, async (fixture) => {
    const { server, image } = fixture;
    const early = await open(fixture);
    await early.begin();
    const all = chunksOf(image).length;
    await until(() => Promise.resolve(kept(fixture) === all), 'all chunks are here');
    const { requests, bytesFetched, fetched } = await early.end();
    expect(requests).toBe(server.seen.length);
    expect(bytesFetched).toBeGreaterThan(0.9 * image.length);
    expect(bytesFetched).toBeLessThan(1.1 * image.length);
    expect(fetched).toBe(all);
  }));

  test.each([['no fill is wanted', { fill: false }], ['a profile wants something else first', { profile: 'start.profile' }]])('keeps no more than the first chunks where %s', (_, options) => withLazyFixture({}, async (fixture) => {
    const early = await open(fixture, options);
    await early.begin();
    const first = kept(fixture);
    await early.end();
    expect(fixture.server.seen.length).toBeLessThanOrEqual(2);
    expect([first > 0, kept(fixture)]).toEqual([true, first]);
  }));

  test('gives up what is under way, also when the origin has ceased to answer', () => {
    let silent = false;
    return withLazyFixture({ interfere: () => silent }, async (fixture) => {
      const early = await open(fixture);
      silent = true;
      const begun = early.begin();
      await until(() => Promise.resolve(fixture.server.seen.length > 1), 'it has asked for more');
      await begun;
      const { fetched } = await early.end();
      expect(fetched).toBe(kept(fixture));
      expect(fetched).toBeLessThan(chunksOf(fixture.image).length);
    });
  });
});

oracleTest(['loop', 'fuse'], 'status counts what the front has fetched', () => withLazyFixture({}, async ({ folder, server, cache }) => {
  const [directory, runtimeFolder] = [`${folder}/place`, `${folder}/run`];
  mkdirSync(directory);
  await mountImages([server.url], directory, { trust: anybody, cache, fill: false, runtimeFolder });
  const requests = async (): Promise<unknown> => (await mountStatus(runtimeFolder)).find(({ target }) => target === directory)?.['requests'];
  await until(async () => await requests() === server.seen.length, 'every request is counted');
  await unmountImage(directory, { runtimeFolder });
  await untilNothingLeft(folder);
}), 60_000);
