/** A mounted image is exchanged for another, and images are put on top of it, while it is in use. */
import { execFile, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { mountImages, pushImage } from '../../src/mount/mount-image.js';
import { fillMount } from '../../src/mount/fill-mount.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { differences } from '../helpers/lazy-mount.js';
import { statusOf, tearDown, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { makeVersions, replaceUnderLoad, type Versions } from '../helpers/replace-load.js';
import { withTempDir } from '../helpers/temp-dir.js';

const needs = ['loop', 'fuse', 'overlay', 'losetup', 'diff'];
const run = promisify(execFile);

interface Fixture extends Versions { readonly folder: string }

async function withVersions(backend: 'block' | 'tree', body: (fixture: Fixture) => Promise<void>): Promise<void> {
  await withTempDir(async (folder) => {
    try {
      await body({ folder, ...await makeVersions(folder, backend) });
      await untilNothingLeft(folder);
      await until(() => readdirSync(`${folder}/run`).length === 0, 'no socket, log or staging folder is left');
    } finally {
      tearDown(folder);
    }
  });
}

/** A process that has a file open, and prints the rest of it when it is told to. */
async function openInOtherProcess(path: string): Promise<{ rest(): Promise<Buffer> }> {
  const child = spawn('bash', ['-c', 'exec 7<"$1"; echo open >&2; read; cat <&7', 'bash', path], { stdio: 'pipe' });
  const output: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => { output.push(data); });
  await new Promise((resolve) => { child.stderr.once('data', resolve); });
  return {
    rest: async () => {
      child.stdin.end('\n');
      await new Promise((resolve) => { child.once('close', resolve); });
      return Buffer.concat(output);
    },
  };
}

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'replaced under readers again and again: no error, no mixture, no server left', () => withVersions(backend, async (versions) => {
    const { errors, wrong, reads } = await replaceUnderLoad(versions, 4);
    expect({ errors, wrong }).toEqual({ errors: [], wrong: [] });
    expect(reads).toBeGreaterThan(15);
  }), 180_000);

  oracleTest(needs, 'open files keep the old, new opens see the new; the old server ends with its last file', () => withVersions(backend, async ({ trees, images, directory, options }) => {
    await mountImages([images[0]!], directory, options);
    const reader = await openInOtherProcess(`${directory}/d3/f3`);
    const { previousInUse } = await mountImages([images[1]!], directory, { ...options, replace: true });
    expect(previousInUse).toBe(true);
    expect((await statusOf(directory, options.runtimeFolder)).map(({ target, state }) => `${target} ${state}`).sort()).toEqual([`${directory} detached`, `${directory} served`]);
    expect(await differences(trees[1]!, directory)).toBe('');
    // What has left the tree needs no filling, and is not in the way of those that want it.
    expect(await fillMount(directory, { runtimeFolder: options.runtimeFolder })).toBe(backend === 'tree');
    expect((await reader.rest()).equals(readFileSync(`${trees[0]!}/d3/f3`))).toBe(true);
    await until(async () => (await statusOf(directory, options.runtimeFolder)).length === 1, 'the old server has ended');
    // Back again: with a raw image when the first was complete, else with a server.
    await mountImages([images[0]!], directory, { ...options, replace: true });
    expect(await differences(trees[0]!, directory)).toBe('');
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
  }), 180_000);

  oracleTest(needs, 'a mount under another on the same directory is left alone, and is there again when that goes', () => withVersions(backend, async ({ folder, trees, images, directory, options }) => {
    const { runtimeFolder } = options;
    for (const above of [options, { ...options, populate: true }, { ...options, upper: `${folder}/upper` }]) {
      await mountImages([images[0]!], directory, options);
      const [below] = await statusOf(directory, runtimeFolder);
      await mountImages([images[0]!], directory, above);
      await mountImages([images[1]!], directory, { ...above, replace: true });
      expect(await differences(trees[1]!, directory)).toBe('');
      const all = await statusOf(directory, runtimeFolder);
      expect(all.find(({ socket }) => socket === below!.socket)).toMatchObject({ state: 'served' });
      expect(await unmountImage(directory, { runtimeFolder })).toBe(true); // its own servers have ended, and it waited for no others
      expect(await differences(trees[0]!, directory)).toBe('');
      expect(await unmountImage(directory, { runtimeFolder })).toBe(true);
    }
  }), 180_000);

  oracleTest(needs, 'an upper directory goes along, unless somebody writes', () => withVersions(backend, async ({ folder, trees, images, directory, options }) => {
    await mountImages([images[0]!], directory, { ...options, upper: `${folder}/upper` });
    writeFileSync(`${directory}/mine`, 'mine');
    await run('rm', [`${directory}/d1/f1`]);
    const reader = await openInOtherProcess(`${directory}/d3/f3`);
    const writer = openSync(`${directory}/writing`, 'w');
    await expect(mountImages([images[1]!], directory, { ...options, replace: true }))
      .rejects.toThrow(expect.objectContaining({ code: 'MOUNT_BUSY', message: expect.stringContaining(`(${process.pid})`) as unknown }));
    writeFileSync(`${directory}/mine`, 'mine still'); // the old one is what it was
    closeSync(writer);
    expect(await mountImages([images[1]!], directory, { ...options, replace: true })).toMatchObject({ upper: `${folder}/upper` });
    expect(readFileSync(`${directory}/mine`, 'utf8')).toBe('mine still');
    expect(await differences(trees[1]!, directory)).toBe([`Only in ${trees[1]!}/d1: f1`, `Only in ${directory}: mine`, `Only in ${directory}: writing`, ''].join('\n'));
    writeFileSync(`${directory}/d2/new`, 'new');
    expect((await reader.rest()).equals(readFileSync(`${trees[0]!}/d3/f3`))).toBe(true);
    // Another upper directory: what was changed stays behind.
    await mountImages([images[0]!], directory, { ...options, replace: true, upper: `${folder}/other` });
    expect(await differences(trees[0]!, directory)).toBe('');
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
    expect(readFileSync(`${folder}/upper/d2/new`, 'utf8')).toBe('new');
  }), 180_000);

  oracleTest(needs, 'images are pushed on top, one after another; readers go on', () => withVersions(backend, async ({ folder, trees, images, directory, options }) => {
    const plugins: string[] = [];
    for (const name of ['p', 'q', 'r']) {
      mkdirSync(`${folder}/${name}/d1`, { recursive: true });
      writeFileSync(`${folder}/${name}/d1/f1`, `over ${name}`);
      writeFileSync(`${folder}/${name}/only-${name}`, name);
      plugins.push(`${folder}/${name}.img.zst`);
      await buildImage({ source: `${folder}/${name}`, output: plugins.at(-1)!, name: `${basename(folder)}-${name}` });
    }
    await mountImages([images[0]!], directory, options);
    const reader = await openInOtherProcess(`${directory}/d1/f1`);
    // More than overlays may be stacked: each push makes a new one of all layers.
    for (const plugin of plugins) await pushImage(directory, plugin, options);
    expect(readFileSync(`${directory}/d1/f1`, 'utf8')).toBe('over r');
    for (const name of ['p', 'q', 'r']) expect(readFileSync(`${directory}/only-${name}`, 'utf8')).toBe(name);
    await run('cmp', [`${trees[0]!}/d1/f11`, `${directory}/d1/f11`]);
    expect(await reader.rest()).toEqual(readFileSync(`${trees[0]!}/d1/f1`));
    expect((await statusOf(directory, options.runtimeFolder)).map(({ state }) => state)).toEqual(['served', 'served', 'served', 'served']);
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
    await untilNothingLeft(folder);
    await mountImages([images[0]!], directory, { ...options, upper: `${folder}/upper` });
    writeFileSync(`${directory}/d1/f11`, 'changed');
    await pushImage(directory, plugins[0]!, options);
    expect(readFileSync(`${directory}/d1/f11`, 'utf8')).toBe('changed');
    expect(readFileSync(`${directory}/d1/f1`, 'utf8')).toBe('over p');
    writeFileSync(`${directory}/d1/f1`, 'changed too');
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
  }), 180_000);
});

describe('what cannot replace', () => {
  oracleTest(needs, 'a bad image leaves the old one as it was; nothing mounted is nothing to replace', () => withVersions('block', async ({ folder, trees, images, directory, options }) => {
    await expect(mountImages([images[0]!], directory, { ...options, replace: true })).rejects.toThrow(expect.objectContaining({ code: 'NOT_MOUNTED' }));
    await mountImages([images[0]!], directory, options);
    writeFileSync(`${folder}/bad.img.zst`, readFileSync(images[1]!).subarray(0, 30_000).fill(0x55, 5000, 6000));
    await expect(mountImages([`${folder}/bad.img.zst`], directory, { ...options, replace: true })).rejects.toThrow(expect.objectContaining({ name: 'ThawfsError' }));
    await expect(mountImages([images[1]!], directory, { ...options, replace: true, trust: { ...options.trust, minimumSequence: 3 } }))
      .rejects.toThrow(expect.objectContaining({ code: 'SEQUENCE_ROLLBACK' }));
    await expect(pushImage(directory, `${folder}/none`, options)).rejects.toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
    expect((await statusOf(directory, options.runtimeFolder)).length).toBe(1);
    expect(await differences(trees[0]!, directory)).toBe('');
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
  }), 180_000);

  oracleTest(needs, 'layers that are complete, and have no server, are pushed upon and replaced', () => withVersions('block', async ({ folder, trees, images, directory, options }) => {
    await mountImages([images[0]!], directory, options);
    expect(await fillMount(directory, { runtimeFolder: options.runtimeFolder })).toBe(false);
    mkdirSync(`${folder}/p`);
    writeFileSync(`${folder}/p/only`, 'here');
    await buildImage({ source: `${folder}/p`, output: `${folder}/p.img.zst`, name: `${basename(folder)}-p` });
    const { previousInUse } = await pushImage(directory, `${folder}/p.img.zst`, options);
    expect(previousInUse).toBeUndefined();
    expect(await differences(trees[0]!, directory)).toBe(`Only in ${directory}: only\n`);
    // Once more: the layer without a server is found again in the overlay.
    await pushImage(directory, images[1]!, options);
    expect(readFileSync(`${directory}/only`, 'utf8')).toBe('here');
    expect(await differences(trees[1]!, directory)).toBe(`Only in ${directory}: only\n`);
    await mountImages([images[0]!], directory, { ...options, replace: true });
    expect(await differences(trees[0]!, directory)).toBe('');
    expect((await statusOf(directory, options.runtimeFolder)).map(({ state }) => state)).toEqual(['local']);
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
    expect(existsSync(`${folder}/cache/raw`)).toBe(true);
  }), 180_000);
});

test('the reader of versions sees a file that is none of them', () => withTempDir(async (folder) => {
  const { startVersionReader } = await import('../helpers/version-reader.js');
  for (const [i, name] of ['a', 'b', 'm'].entries()) {
    mkdirSync(`${folder}/${name}`);
    writeFileSync(`${folder}/${name}/f`, String(i));
  }
  const reader = await startVersionReader(`${folder}/m`, 1, [`${folder}/a`, `${folder}/b`]);
  expect((await reader.stop()).wrong.length).toBeGreaterThan(0);
}));
