/** Mounting what is mounted already: once more, or not, as fstab wants it. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { mountImages } from '../../src/mount/mount-image.js';
import { readMountTable } from '../../src/mount/mount-table.js';
import { mountStatus } from '../../src/mount/status.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { anybody, withLazyFixture } from '../helpers/lazy-mount.js';
import { until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const run = promisify(execFile);
const mountsOn = (directory: string): number => readMountTable().filter(({ target }) => target === directory).length;
const sourceOf = (directory: string): string | undefined => readMountTable().find(({ target }) => target === directory)?.source;

describe.each([['block', undefined], ['tree', undefined], ['block', 'upper']] as const)('%s back-end, %s', (backend, upper) => {
  oracleTest(['loop', 'fuse', 'overlay'], 'once: the same image is not mounted again, another one is', () => withLazyFixture({}, async ({ folder, server, cache }) => {
    const [directory, other] = [`${folder}/place`, `${folder}/other.img.zst`];
    mkdirSync(directory);
    const options = { trust: anybody, cache, backend, fill: false, runtimeFolder: `${folder}/run`, ...(upper === undefined ? {} : { upper: `${folder}/${upper}` }) };
    const first = await mountImages([server.url], directory, { ...options, once: true });
    expect(first.already).toBeUndefined();
    expect(await mountImages([server.url], directory, { ...options, once: true })).toMatchObject({ already: true, backend, layers: first.layers });
    expect(mountsOn(directory)).toBe(1);
    if (upper === undefined) {
      await mountImages([server.url], directory, options);
      expect(mountsOn(directory)).toBe(2);
      await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
      await buildImage({ source: `${folder}/tree/d1`, output: other });
      expect((await mountImages([other], directory, { ...options, once: true })).already).toBeUndefined();
      expect(mountsOn(directory)).toBe(2);
      await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
    }
    await unmountImage(directory, { runtimeFolder: options.runtimeFolder });
    await untilNothingLeft(folder);
  }), 120_000);
});

oracleTest(['loop', 'fuse'], 'a mount that nobody serves any more is known by what its location had', () => withLazyFixture({}, async ({ folder, server, cache }) => {
  const [directory, runtimeFolder] = [`${folder}/place`, `${folder}/run`];
  mkdirSync(directory);
  const options = { trust: anybody, cache, backend: 'block', runtimeFolder, once: true } as const;
  const { layers: [layer] } = await mountImages([server.url], directory, options);
  await until(async () => (await mountStatus(runtimeFolder)).some(({ target, state }) => target === directory && state === 'local'), 'it is handed over');
  await until(async () => (await mountStatus(runtimeFolder)).every(({ target, state }) => target !== directory || state === 'local'), 'its server has ended');
  const { rootHash, name } = layer!;
  expect(await mountImages([server.url], directory, options)).toMatchObject({ already: true, layers: [{ name, rootHash }] });
  expect(mountsOn(directory)).toBe(1);

  const ending = serverThatEnds(`${runtimeFolder}/ending.sock`, { id: 'ending', backend: 'block', state: 'served', device: sourceOf(directory) });
  expect(await mountImages([server.url], directory, options)).toMatchObject({ already: true, layers: [{ name, rootHash }] });
  expect(ending.asked).toEqual(['status', 'image']);
  await unmountImage(directory, { runtimeFolder });
  await untilNothingLeft(folder);
}), 120_000);

/** A supervisor that says how it is, and is gone when it is asked for more. */
function serverThatEnds(path: string, status: object): { readonly asked: readonly string[] } {
  const asked: string[] = [];
  const supervisor = createServer((socket) => {
    socket.once('data', (line: Buffer) => {
      const { command } = JSON.parse(line.toString()) as { command: string };
      asked.push(command);
      if (command === 'status') {
        socket.end(`${JSON.stringify({ value: status })}\n`);
      } else {
        supervisor.close();
        socket.destroy();
      }
    });
  }).listen(path);
  return { asked };
}

describe('mount -a', () => {
  oracleTest(['loop', 'fuse', 'overlay', 'unshare', 'mount'], 'twice mounts once', () => withLazyFixture({}, async ({ folder, server, cache }) => {
    const directory = `${folder}/place`;
    mkdirSync(directory);
    writeFileSync(`${folder}/fstab`, `${server.url} ${directory} thawfs cache=${cache},allow-unsigned,no-fill 0 0\n`);
    const helper = new URL('../../../bin/mount.thawfs.js', import.meta.url).pathname;
    // A place of its own for what root's mounts share, and for the helper, which mount(8) looks for in /sbin only.
    const script = `
      mount -t tmpfs none /run; mkdir /run/helper; ln -s ${helper} /run/helper/mount.thawfs
      sbin=$(realpath /sbin); mount -t overlay none -o lowerdir=/run/helper:$sbin $sbin
      trap 'while umount ${directory} 2>/dev/null; do :; done' EXIT
      for i in 1 2; do mount -a -T ${folder}/fstab </dev/null >/dev/null; done
      grep -c ' ${directory} ' /proc/self/mountinfo`;
    expect((await run('unshare', ['-m', 'bash', '-ec', script])).stdout.trim()).toBe('1');
    await untilNothingLeft(folder);
  }), 120_000);
});
