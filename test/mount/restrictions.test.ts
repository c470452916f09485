/** nosuid, nodev and noexec: what the mounted image may not do, whatever it holds. */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { mountImages } from '../../src/mount/mount-image.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['loop', 'fuse', 'overlay', 'losetup'];
const run = promisify(execFile);

function makeTree(tree: string): void {
  mkdirSync(tree);
  writeFileSync(`${tree}/program`, '#!/bin/sh\necho ran\n', { mode: 0o755 });
}

/** @returns flags of the mount on top of a directory, as the kernel tells them */
function flagsOf(directory: string): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.split(' ')[4] === directory);
  return lines.at(-1)!.split(' ')[5]!.split(',');
}

const all = ['nosuid', 'nodev', 'noexec'] as const;

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  const front = ({ folder, server, cache }: LazyFixture) => {
    const [directory, runtimeFolder] = [`${folder}/on`, `${folder}/run`];
    mkdirSync(directory);
    return { directory, runtimeFolder, urls: [server.url], options: { trust: anybody, cache, backend, fill: false, runtimeFolder } };
  };

  oracleTest(needs, 'are what the kernel enforces; a mount that takes the place of one keeps its restrictions', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { directory, runtimeFolder, urls, options } = front(fixture);
    await mountImages(urls, directory, options);
    expect((await run(`${directory}/program`)).stdout).toBe('ran\n');
    expect(flagsOf(directory)).not.toContain('noexec');
    await mountImages(urls, directory, { ...options, replace: true, restrictions: all });
    expect(flagsOf(directory)).toEqual(expect.arrayContaining(['ro', ...all]));
    await expect(run(`${directory}/program`)).rejects.toMatchObject({ code: 'EACCES' });
    await mountImages(urls, directory, { ...options, replace: true });
    expect(flagsOf(directory)).toEqual(expect.arrayContaining(['ro', ...all]));
    await unmountImage(directory, { runtimeFolder });
    await untilNothingLeft(fixture.folder);
  }), 120_000);

  oracleTest(needs, 'hold for a view that can be written, and for one that is populated', () => withLazyFixture({ makeTree }, async (fixture) => {
    const { directory, runtimeFolder, urls, options } = front(fixture);
    for (const kind of [{ upper: `${fixture.folder}/upper` }, { populate: true }]) {
      await mountImages(urls, directory, { ...options, ...kind, restrictions: ['noexec'] });
      expect(flagsOf(directory)).toContain('noexec');
      await expect(run(`${directory}/program`)).rejects.toMatchObject({ code: 'EACCES' });
      await unmountImage(directory, { runtimeFolder });
    }
    await untilNothingLeft(fixture.folder);
  }), 120_000);
});
