/**
 * Many mounts at the same time, and many exchanges of one after another. More of both, as an operator would see them in a year:
 * MOUNTS=50 REPLACES=50 … dist/test/mount/many
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { mountImages } from '../../src/mount/mount-image.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { chunksOf } from '../helpers/kept-chunks.js';
import { anybody, withLazyFixture } from '../helpers/lazy-mount.js';
import { statusOf, tearDown, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { makeVersions, replaceUnderLoad, type Exchange } from '../helpers/replace-load.js';
import { withTempDir } from '../helpers/temp-dir.js';

const MOUNTS = Number(process.env['MOUNTS'] ?? 4);
const REPLACES = Number(process.env['REPLACES'] ?? 4);
/** Mounting, reading or exchanging once, on a loaded machine. */
const STEP_MS = 15_000;

const needs = ['loop', 'fuse', 'overlay', 'losetup'];
const run = promisify(execFile);

/** Nothing of a mount is left, in the system or in its folders. */
async function expectNothingLeft(folder: string, descriptors: number): Promise<void> {
  await untilNothingLeft(folder);
  await until(() => readdirSync(`${folder}/run`).length === 0, 'no socket, log or staging folder is left');
  expect(readdirSync(`${folder}/cache`, { recursive: true, encoding: 'utf8' }).filter((name) => /(?:^|\/)\.|partial|populated\//.test(name))).toEqual([]);
  await until(() => openDescriptors() <= descriptors, 'no descriptor is left');
}

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, `one image in ${MOUNTS} directories at once: a chunk that all miss is fetched once`, () => withLazyFixture({}, async ({ folder, tree, image, server, cache }) => {
    const descriptors = openDescriptors();
    const directories = Array.from({ length: MOUNTS }, (_, i) => `${folder}/m${i}`);
    const options = { trust: anybody, cache, backend, fill: false, runtimeFolder: `${folder}/run` };
    for (const directory of directories) mkdirSync(directory);
    await Promise.all(directories.map((directory) => mountImages([server.url], directory, options)));
    await Promise.all(directories.map((directory) => run('diff', ['-r', '--exclude=lost+found', tree, directory])));
    const ranges = server.seen.map(({ range }) => /^bytes=(\d+)-(\d+)$/.exec(range!)!.slice(1).map(Number) as [number, number]);
    const fetched = chunksOf(image).map(({ frameOffset, frameSize }) => ranges.filter(([first, last]) => first <= frameOffset && frameOffset + frameSize - 1 <= last).length);
    const [all, different] = [fetched.reduce((sum, times) => sum + times, 0), fetched.filter((times) => times > 0).length];
    expect(different).toBeGreaterThan(40);
    expect(all).toBeLessThan(different * 1.2); // who is not scheduled for seconds is not waited for
    await Promise.all(directories.map((directory) => unmountImage(directory, options)));
    await expectNothingLeft(folder, descriptors);
  }), (2 * MOUNTS + 4) * STEP_MS);
});

const ways: readonly (readonly [string, (folder: string, i: number) => Exchange])[] = [
  ['by the other back-end', (_, i) => ({ backend: i % 2 === 0 ? 'block' : 'tree' })],
  ['with an upper directory', (folder) => ({ upper: `${folder}/upper` })],
  ['by stacks and single images, populated ones too', (folder, i) => ({ above: i % 2 === 0 ? [] : [`${folder}/plugin.img.zst`], populate: i % 3 === 0, backend: i % 4 < 2 ? 'block' : 'tree' })],
];

describe.each(ways)('exchanged under readers %s', (_, how) => {
  oracleTest(needs, `${REPLACES} times`, () => withTempDir(async (folder) => {
    const descriptors = openDescriptors();
    try {
      mkdirSync(`${folder}/plugin`);
      writeFileSync(`${folder}/plugin/only`, 'plugin');
      await buildImage({ source: `${folder}/plugin`, output: `${folder}/plugin.img.zst`, name: `${basename(folder)}-plugin` });
      const versions = await makeVersions(folder, 'block');
      const { errors, wrong, reads, times, mostMounts } = await replaceUnderLoad(versions, REPLACES, (i) => how(folder, i));
      expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
      expect(reads).toBeGreaterThan(2 * REPLACES);
      expect(mostMounts).toBeLessThan(10); // old ones end with their last file
      expect(await statusOf(versions.directory, versions.options.runtimeFolder)).toEqual([]);
      await expectNothingLeft(folder, descriptors);
      if (REPLACES > 4) console.info(`${REPLACES} exchanges: ${reads} reads, median ${Math.round([...times].sort((a, b) => a - b)[times.length >> 1]!)} ms, longest ${Math.round(Math.max(...times))} ms, most mounts ${mostMounts}`);
    } finally {
      tearDown(folder);
    }
  }), (REPLACES + 4) * STEP_MS);
});
