/** Images whose data is here as compressed chunks: what the kernel is given in advance, and what must still be checked. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import type { CompletionStatus } from '../../src/mount/completion.js';
import { mountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { rawImagesIn, sealOf } from '../../src/store/raw-folder.js';
import { differences, makeFiles, withLazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft, type Mounted } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['loop', 'fuse', 'losetup', 'find'];
const run = promisify(execFile);

const FOLDERS = 200;

/** As many directories, a block each. */
function makeFolders(tree: string): void {
  for (let i = 0; i < FOLDERS; i++) {
    mkdirSync(`${tree}/${i % 7}/${i}`, { recursive: true });
    writeFileSync(`${tree}/${i % 7}/${i}/file`, `${i}`);
  }
}

async function requests(mounted: Mounted): Promise<number> {
  return Number((await mounted.status())['fuseRequests']);
}

/** What is read in advance has been read when requests have ceased for some time: reading begins in a process of its own, which has to start. */
async function untilQuiet(mounted: Mounted): Promise<number> {
  let last = -1;
  await until(async () => {
    const before = last;
    last = await requests(mounted);
    await delay(2000);
    return before === last;
  }, 'requests cease');
  return last;
}

oracleTest(needs, 'status shows no secret of a URL', () => withLazyFixture({}, async ({ server, mount }) => {
  const mounted = await mount({ locations: [`${server.url.replace('//', '//joe:SECRET@')}?token=SECRET`] });
  const status = await mounted.status();
  expect(status['locations']).toEqual([`${server.url}?…`]);
  expect(JSON.stringify(status)).not.toContain('SECRET');
  await mounted.unmount();
}), 60_000);

describe('a complete mount', () => {
  oracleTest(needs, 'whose cache somebody has removed goes on, is listed, and is unmounted', () => withLazyFixture({}, async ({ folder, tree, cache, mount }) => {
    const mounted = await mount({ handover: true, fill: true });
    await until(async () => (await mountStatus(mounted.plan.runtimeFolder)).some(({ target, state }) => target === mounted.directory && state === 'local'), 'no server is needed');
    rmSync(cache, { recursive: true });
    await run('diff', ['-r', tree, mounted.directory]);
    expect(await mountStatus(mounted.plan.runtimeFolder)).toContainEqual(expect.objectContaining({ target: mounted.directory, state: 'local' }));
    await unmountImage(mounted.directory, { runtimeFolder: mounted.plan.runtimeFolder });
    await untilNothingLeft(folder);
  }), 180_000);
});

/** In a cache that has room for the first image, chunks and raw, and not for the raw image of a second. */
oracleTest(needs, 'a raw image makes way for another one when nobody has it mounted', () => withLazyFixture({}, async ({ folder, cache, image, mount }) => {
  const [tree, location] = [`${folder}/other`, `${folder}/other.img.zst`];
  makeFiles(tree, 1000);
  const { rawSize } = await buildImage({ source: tree, output: location });
  const whole = { handover: true, fill: true, cacheSize: image.length + 1.6 * rawSize };
  const first = await mount(whole);
  const isLocal = ({ directory, plan: { runtimeFolder } }: Mounted) => async (): Promise<boolean> => (await mountStatus(runtimeFolder)).some(({ target, state }) => target === directory && state === 'local');
  await until(isLocal(first), 'the first is handed over');
  const [rawImage] = rawImagesIn(cache);
  utimesSync(sealOf(rawImage!.path), 1, 1);

  const second = await mount({ ...whole, locations: [location] });
  const completion = async (): Promise<CompletionStatus> => (await second.status())['completion'] as CompletionStatus;
  await until(async () => (await completion()).state === 'complete', 'the second is here');
  expect((await completion()).reason).toContain('no room for the raw image');
  await second.unmount();
  await unmountImage(first.directory, { runtimeFolder: first.plan.runtimeFolder });

  const again = await mount({ ...whole, locations: [location] });
  await until(isLocal(again), 'the second is handed over');
  expect(existsSync(rawImage!.path)).toBe(false);
  expect(await differences(tree, again.directory)).toBe('');
  await unmountImage(again.directory, { runtimeFolder: again.plan.runtimeFolder });
  await untilNothingLeft(folder);
}), 180_000);

describe('block back-end', () => {
  oracleTest([...needs, 'root', 'unshare', 'mknod', 'mount'], 'where the kernel has more loop devices than /dev, as in a container', () => withLazyFixture({}, async ({ folder, tree, cache }) => {
    mkdirSync(`${folder}/place`);
    const script = `
      mount -t tmpfs none /dev; mknod /dev/null c 1 3; mknod /dev/loop-control c 10 237; mknod /dev/fuse c 10 229
      thawfs='${process.execPath} ${new URL('../../../bin/run.js', import.meta.url).pathname}'
      $thawfs mount app.img.zst place --backend block --no-handover --allow-unsigned --cache ${cache} >/dev/null </dev/null
      diff -r --exclude=lost+found ${tree} place && echo same
      $thawfs umount place`;
    expect((await run('unshare', ['-m', 'bash', '-ec', script], { cwd: folder })).stdout.trim()).toBe('same');
    await untilNothingLeft(folder);
  }), 120_000);

  oracleTest(needs, 'metadata that is here is read in advance, metadata that is not is fetched when it is wanted', () => withLazyFixture({ makeTree: makeFolders }, async ({ folder, server, mount }) => {
    const far = await mount();
    await untilQuiet(far);
    const fetched = server.bytesSent;
    await run('find', [far.directory, '-ls']);
    expect(server.bytesSent).toBeGreaterThan(fetched);
    await far.fill();
    await far.unmount();

    const near = await mount({ offline: true });
    const before = await untilQuiet(near);
    const { stdout } = await run('find', [near.directory, '-name', 'file', '-printf', '%s\n']);
    expect(stdout.split('\n')).toHaveLength(FOLDERS + 1);
    expect(await requests(near) - before).toBeLessThan(FOLDERS / 10);
    await near.unmount();
    await untilNothingLeft(folder);
  }), 180_000);
});
