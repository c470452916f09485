/** Folders and directories with names that somebody, somewhere, reads in another way: not ASCII, with a backslash, behind a symlink, or too long. */
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { fromText } from '../../src/bytes/byte-string.js';
import { fileStatus } from '../../src/mount/file-status.js';
import { fillMount } from '../../src/mount/fill-mount.js';
import { localSize } from '../../src/mount/local-size.js';
import { mountImages, pushImage } from '../../src/mount/mount-image.js';
import { readMountTable } from '../../src/mount/mount-table.js';
import { unmountedRawImages } from '../../src/store/raw-folder.js';
import { mountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, differences, withLazyFixture } from '../helpers/lazy-mount.js';
import { statusOf, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const run = promisify(execFile);
const needs = ['loop', 'fuse', 'overlay', 'diff'];
const sourceOf = (directory: string): string | undefined => readMountTable().find(({ target }) => target === directory)?.source;

oracleTest(needs, 'a cache that is not ASCII, behind a symlink: raw images are known again, shared, kept while they are mounted', () => withLazyFixture({}, async ({ folder, tree, server }) => {
  const [cache, runtimeFolder] = [`${folder}/link/Bücher\\`, `${folder}/run`];
  mkdirSync(`${folder}/elsewhere`);
  symlinkSync('elsewhere', `${folder}/link`);
  const directories = ['a', 'b'].map((name) => `${folder}/${name}`);
  for (const directory of directories) mkdirSync(directory);
  const options = { trust: anybody, cache, backend: 'block', runtimeFolder } as const;
  const [first, second] = directories as [string, string];
  await mountImages([server.url], first, options);
  expect(await fillMount(first, { runtimeFolder })).toBe(false);
  await mountImages([server.url], second, options);
  expect(sourceOf(second)).toBe(sourceOf(first));
  expect(unmountedRawImages(cache)).toEqual([]);
  const [status] = await statusOf(first, runtimeFolder);
  expect(status).toMatchObject({ state: 'local', rawImage: `${folder}/elsewhere/Bücher\\/raw/${String(status!['rootHash'])}` });
  expect(await localSize(status!)).toBeGreaterThan(4e6);
  expect((await fileStatus(first, runtimeFolder))[0]!.files.filter(({ state }) => state === 'whole')).toHaveLength(60);
  await pushImage(second, server.url, options);
  expect(await differences(tree, second)).toBe('');
  for (const directory of directories) await unmountImage(directory, { runtimeFolder });
  expect(unmountedRawImages(cache)).toHaveLength(1);
  await untilNothingLeft(folder);
}), 120_000);

oracleTest(needs, 'a runtime folder that others may write to is refused; the profile that was to be recorded anew stays as it was', () => withLazyFixture({}, async ({ folder, server, cache }) => {
  const [directory, open, record] = [`${folder}/m`, `${folder}/open`, `${folder}/start.profile`];
  mkdirSync(directory);
  mkdirSync(open);
  chmodSync(open, 0o777);
  const options = { trust: anybody, cache, fill: false, record } as const;
  await expect(mountImages([server.url], directory, { ...options, runtimeFolder: open })).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  expect(existsSync(record)).toBe(false);
  await mountImages([server.url], directory, { ...options, runtimeFolder: `${folder}/run` });
  await run('cat', [`${directory}/d1/f1`]);
  await unmountImage(directory, { runtimeFolder: `${folder}/run` });
  const recorded = readFileSync(record, 'utf8');
  expect(recorded).toContain('/d1/f1 ');
  await expect(mountImages([server.url], directory, { ...options, runtimeFolder: open })).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  expect(readFileSync(record, 'utf8')).toBe(recorded);
}), 120_000);

describe('overlays', () => {
  oracleTest(needs, 'of directories with backslashes and commas: written to, taken over by the next image, populated', () => withLazyFixture({}, async ({ folder, tree, server }) => {
    const [directory, upper, cache, runtimeFolder] = [`${folder}/m\\a`, `${folder}/up\\,\\\\per\\040`, `${folder}/ca\\che`, `${folder}/run`];
    mkdirSync(directory);
    const options = { trust: anybody, cache, fill: false, runtimeFolder, backend: 'tree' } as const;
    await mountImages([server.url], directory, { ...options, upper, populate: true });
    writeFileSync(`${directory}/new`, 'new');
    await mountImages([server.url], directory, { ...options, replace: true });
    expect(readdirSync(upper)).toEqual(['new']);
    expect(await differences(tree, directory)).toMatch(/^Only in \S+: new\n$/);
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
    await until(() => readdirSync(`${cache}/populated`).length === 0, 'the copies are gone');
  }), 120_000);

  oracleTest(needs, 'of what is too long for the kernel: refused, with the reason, and nothing is left', () => withLazyFixture({}, async ({ folder, server, cache }) => {
    const [directory, long, runtimeFolder] = [`${folder}/m`, `${folder}/${'l'.repeat(200)}`, `${folder}/run`];
    mkdirSync(directory);
    const options = { trust: anybody, fill: false, runtimeFolder, backend: 'tree' } as const;
    await expect(mountImages([server.url], directory, { ...options, cache, upper: `${long}/${'m'.repeat(55)}` })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(mountImages([server.url], directory, { ...options, cache: long, populate: true })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await untilNothingLeft(folder);
    expect(readdirSync(`${long}/populated`)).toEqual([]);
  }), 120_000);
});

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'umount -l of what is in use: detached, though nobody told', () => withLazyFixture({}, async ({ folder, server, cache }) => {
    const [directory, runtimeFolder] = [`${folder}/m`, `${folder}/run`];
    mkdirSync(directory);
    await mountImages([server.url], directory, { trust: anybody, cache, fill: false, runtimeFolder, backend });
    const states = async (): Promise<string[]> => (await mountStatus(runtimeFolder)).filter(({ target }) => target === directory).map(({ state }) => state);
    expect(await states()).toEqual(['served']);
    const holder = execFile('sleep', ['60'], { cwd: directory });
    await run('umount', ['-l', directory]);
    expect(await states()).toEqual(['detached']);
    holder.kill();
    await untilNothingLeft(folder);
  }), 120_000);

  oracleTest(needs, 'a mount whose processes were killed, on a directory that is not ASCII: says so, and is unmounted', () => withLazyFixture({}, async ({ folder, server, cache }) => {
    const [directory, runtimeFolder] = [`${folder}/é`, `${folder}/run`];
    mkdirSync(directory);
    await mountImages([server.url], directory, { trust: anybody, cache, fill: false, runtimeFolder, backend });
    const [status] = await statusOf(fromText(directory), runtimeFolder);
    for (const pid of [status!['supervisor'], status!['server']]) process.kill(Number(pid), 'SIGKILL');
    await until(() => run('find', [directory]).then(() => false, () => true), 'nobody serves');
    await expect(fillMount(directory, { runtimeFolder })).rejects.toMatchObject({ code: 'MOUNT_FAILED', suggestions: [expect.stringContaining('umount -l')] });
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(folder);
    await expect(fillMount(directory, { runtimeFolder })).rejects.toMatchObject({ code: 'NOT_MOUNTED' });
  }), 120_000);
});
