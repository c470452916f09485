/** `mount --populate`: files that are whole here are copied out of the image, and readers need no server for them. */
import { execFile } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { mountImages, pushImage } from '../../src/mount/mount-image.js';
import { mountStatus, type MountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, differences, forgetCached, makeFiles, withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['loop', 'fuse', 'overlay', 'losetup', 'diff'];
const run = promisify(execFile);

interface Populated { readonly state: string; readonly files: number; readonly bytes: number }

function makeTree(tree: string): void {
  makeFiles(tree);
  linkSync(`${tree}/d1/f11`, `${tree}/linked`);
  writeFileSync(`${tree}/program`, '#!/bin/sh\necho ran\n', { mode: 0o4755 });
}

function front({ folder, server, cache }: LazyFixture, backend: 'block' | 'tree') {
  const [directory, runtimeFolder] = [`${folder}/merged`, `${folder}/run`];
  mkdirSync(directory);
  const options = { trust: anybody, cache, backend, fill: false, runtimeFolder, populate: true };
  const status = async (): Promise<MountStatus> => (await mountStatus(runtimeFolder)).find(({ target, state }) => target === directory && state !== 'detached')!;
  const populated = async (): Promise<Populated> => (await status())['populated'] as Populated;
  return { directory, runtimeFolder, options, url: server.url, status, populated };
}

/** Without link counts of directories: in an overlay they are 1. */
const listing = "find . -type d -printf '%P %y %m %U:%G %T@\\n' -o -printf '%P %y %m %U:%G %s %T@ %n %l\\n' | grep -v lost+found | sort; cat $(find . -type f | sort) | sha256sum";

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'what was read once is read again without a request; nobody sees a difference; nothing is left', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { folder, tree, cache } = fixture;
    const { directory, runtimeFolder, options, url, status, populated } = front(fixture, backend);
    await mountImages([url], directory, options);
    const look = async (at: string): Promise<string> => (await run('bash', ['-ec', listing], { cwd: at })).stdout;
    const expected = await look(tree);
    expect(await look(directory)).toBe(expected);
    // All but the two names of one file, which must stay one file.
    await until(async () => (await populated()).files === 60, 'every file is copied');
    expect(await populated()).toMatchObject({ state: 'waiting' });
    await look(directory);
    const before = Number((await status())['fuseRequests']);
    for (let i = 0; i < 3; i++) {
      await forgetCached(`${directory}/d0`, `${directory}/d2`);
      await run('diff', ['-r', `${tree}/d0`, `${directory}/d0`]);
      await run('diff', ['-r', `${tree}/d2`, `${directory}/d2`]);
    }
    expect(Number((await status())['fuseRequests']) - before).toBe(0);
    expect(await look(directory)).toBe(expected);
    await expect(run('touch', [`${directory}/d0/f0`])).rejects.toThrow(/Read-only/);
    expect((await run(`${directory}/program`)).stdout).toBe('ran\n');
    expect(readdirSync(`${cache}/populated`)).toHaveLength(1);
    await run('umount', [directory]);
    await untilNothingLeft(folder);
    await until(() => readdirSync(`${cache}/populated`).length === 0, 'the copies are gone');
    expect(existsSync(runtimeFolder) && readdirSync(runtimeFolder).length > 0).toBe(false);
  }), 180_000);
});

describe('with other things', () => {
  oracleTest(needs, 'a writable view: what is written goes to the upper directory, copies do not; the upper directory fits the next image', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { folder, tree } = fixture;
    const { directory, runtimeFolder, options, url, populated } = front(fixture, 'tree');
    const upper = `${folder}/upper`;
    await mountImages([url], directory, { ...options, upper });
    expect(await differences(tree, directory)).toBe('');
    await until(async () => (await populated()).files === 60, 'every file is copied');
    expect(readdirSync(upper)).toEqual([]);
    await run('bash', ['-ec', 'echo more >> d1/f1'], { cwd: directory });
    expect(readdirSync(upper)).toEqual(['d1']);
    writeFileSync(`${tree}/d2/f2`, 'new version');
    await buildImage({ source: tree, output: `${folder}/two.img.zst`, name: 'two' });
    await mountImages([`${folder}/two.img.zst`], directory, { ...options, populate: false, replace: true });
    expect(readFileSync(`${directory}/d2/f2`, 'utf8')).toBe('new version');
    expect(readFileSync(`${directory}/d1/f1`).subarray(-5).toString()).toBe('more\n');
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
    expect(readdirSync(`${fixture.cache}/populated`)).toEqual([]);
  }), 180_000);

  oracleTest(needs, 'an image is pushed on top, the mount is replaced: copies of the old one are not in the way', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { folder, tree } = fixture;
    const { directory, runtimeFolder, options, url, populated } = front(fixture, 'tree');
    await mountImages([url], directory, options);
    expect(await differences(tree, directory)).toBe('');
    await until(async () => (await populated()).files === 60, 'every file is copied');
    mkdirSync(`${folder}/second/d1`, { recursive: true });
    writeFileSync(`${folder}/second/d1/f1`, 'over');
    await buildImage({ source: `${folder}/second`, output: `${folder}/second.img.zst`, name: 'second' });
    const { populate, ...others } = options;
    expect(populate).toBe(true);
    await pushImage(directory, `${folder}/second.img.zst`, others);
    expect(readFileSync(`${directory}/d1/f1`, 'utf8')).toBe('over');
    await mountImages([`${folder}/second.img.zst`], directory, { ...others, replace: true });
    expect(readdirSync(directory).filter((name) => name !== 'lost+found')).toEqual(['d1']);
    expect(statSync(`${directory}/d1/f1`).size).toBe(4);
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
    expect(readdirSync(`${fixture.cache}/populated`)).toEqual([]);
  }), 180_000);

  oracleTest(needs, 'a hand-over: nobody serves any more, the copies stay until the mount goes', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { folder, tree, cache } = fixture;
    const { directory, options, url, status } = front(fixture, 'block');
    await mountImages([url], directory, { ...options, fill: true });
    await until(async () => (await status()).state === 'local', 'it is handed over');
    expect(await differences(tree, directory)).toBe('');
    expect(readdirSync(`${cache}/populated`)).toHaveLength(1);
    await run('umount', [directory]);
    await untilNothingLeft(folder);
    await until(() => readdirSync(`${cache}/populated`).length === 0, 'the copies are gone');
  }), 180_000);

  oracleTest(needs, 'supervisor and server are killed: what was copied stays readable, and goes with the mount', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { folder, tree, cache } = fixture;
    const { directory, options, url, status, populated } = front(fixture, 'tree');
    await mountImages([url], directory, options);
    expect(await differences(`${tree}/d0`, `${directory}/d0`)).toBe('');
    await until(async () => (await populated()).files >= 12, 'the files of d0, and what came with them, are copied');
    const { supervisor, server, standbys } = await status() as unknown as { supervisor: number; server: number; standbys: number[] };
    for (const pid of [supervisor, server, ...standbys]) process.kill(pid, 'SIGKILL');
    await run('cmp', [`${tree}/d0/f15`, `${directory}/d0/f15`]);
    await run('umount', [directory]);
    await untilNothingLeft(folder);
    await until(() => readdirSync(`${cache}/populated`).length === 0, 'the copies are gone');
  }), 180_000);
});
