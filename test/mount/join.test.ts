/** Several mounts of one image: one server and one file system for all of them, where they are wanted alike. */
import { execFile, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { fillMount } from '../../src/mount/fill-mount.js';
import { inTurn, servingKey } from '../../src/mount/join.js';
import { mountImages, pushImage } from '../../src/mount/mount-image.js';
import type { MountOptions, MountReport } from '../../src/mount/mount-options.js';
import type { ImagePlan } from '../../src/mount/plan.js';
import { unmountImage } from '../../src/mount/unmount.js';
import { pause } from '../../src/source/pause.js';
import { anybody, differences, withLazyFixture, type LazyFixture } from '../helpers/lazy-mount.js';
import { statusOf, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withTempDir } from '../helpers/temp-dir.js';

const needs = ['loop', 'fuse', 'overlay'];
const run = promisify(execFile);

interface Ways {
  readonly directory: (name: string) => string;
  readonly mount: (name: string, options?: Partial<MountOptions>) => Promise<MountReport>;
  readonly status: (name: string) => ReturnType<typeof statusOf>;
  readonly unmount: (name: string, lazy?: boolean) => Promise<boolean>;
}

/** The fixture's image, to be mounted by the public call on directories of these names. */
function withWays(body: (ways: Ways, fixture: LazyFixture) => Promise<void>): Promise<void> {
  return withLazyFixture({}, async (fixture) => {
    const { folder, cache, server } = fixture;
    const runtimeFolder = `${folder}/run`;
    const directory = (name: string): string => `${folder}/on-${name}`;
    await body({
      directory,
      mount: (name, options = {}) => {
        mkdirSync(directory(name), { recursive: true });
        return mountImages([server.url], directory(name), { trust: anybody, cache, fill: false, runtimeFolder, ...options });
      },
      status: (name) => statusOf(directory(name), runtimeFolder),
      unmount: (name, lazy = false) => unmountImage(directory(name), { lazy, runtimeFolder }),
    }, fixture);
    await untilNothingLeft(folder);
  });
}

/** Device numbers tell file systems apart. */
const fileSystemOf = (directory: string): string => spawnSync('stat', ['-c', '%d', directory], { encoding: 'utf8' }).stdout;

oracleTest(needs, 'directories that are mounted at once have one server', () => withWays(async ({ directory, mount, status, unmount }, { tree }) => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const reports = await Promise.all(names.map((name) => mount(name)));
  expect(new Set(reports.map(({ layers: [layer] }) => layer!.id)).size).toBe(1);
  for (const name of names) expect(await status(name)).toMatchObject([{ state: 'served' }]);
  for (const name of names) expect(await differences(tree, directory(name))).toBe('');
  expect(await Promise.all(names.map((name) => unmount(name)))).toEqual(names.map(() => true));
}));

test('turns: one after the other, for each key; who waits too long goes on, who is aborted does not', () => withTempDir(async (cache) => {
  const [key, other] = ['a', 'b'].map((digit) => digit.repeat(64)) as [string, string];
  const signal = undefined;
  const order: string[] = [];
  const [first, second] = [
    inTurn(key, { cache, signal }, async () => { order.push('first'); await pause(200); order.push('done'); }),
    inTurn(key, { cache, signal }, () => { order.push('second'); return Promise.resolve(); }),
  ];
  await inTurn(other, { cache, signal }, () => { order.push('other'); return Promise.resolve(); });
  await Promise.all([first, second]);
  expect(order).toEqual(['first', 'other', 'done', 'second']);
  await inTurn(key, { cache, signal }, async () => {
    await expect(inTurn(key, { cache, signal, patience: 0 }, () => Promise.resolve('went on'))).resolves.toBe('went on');
    await expect(inTurn(key, { cache, signal: AbortSignal.timeout(50) }, () => Promise.resolve())).rejects.toThrow('timeout');
  });
  await expect(inTurn(key, { cache: '/dev/null/nowhere', signal }, () => Promise.resolve('without'))).resolves.toBe('without');
}));

oracleTest(needs, 'a second directory needs no server, and each is unmounted by itself', () => withWays(async ({ directory, mount, status, unmount }, { tree }) => {
  const [first, second] = [await mount('a'), await mount('b', { restrictions: ['nosuid'] })];
  expect(second.layers).toEqual(first.layers);
  expect(fileSystemOf(directory('b'))).toBe(fileSystemOf(directory('a')));
  const [[a], [b]] = [await status('a'), await status('b')];
  expect(b).toMatchObject({ state: 'served', supervisor: a!['supervisor'], device: a!['device'] });
  expect(await unmount('a')).toBe(true);
  expect(await status('a')).toEqual([]);
  expect(await status('b')).toMatchObject([{ state: 'served' }]);
  expect(await differences(tree, directory('b'))).toBe('');
  expect(await unmount('b')).toBe(true);
}));

oracleTest(needs, 'one that is wanted in another way has a server of its own', () => withWays(async ({ mount, unmount }, { folder }) => {
  const others: Readonly<Record<string, Partial<MountOptions>>> = {
    filling: { fillRate: 1000 }, offline: { readTimeout: 1000 }, cache: { cache: `${folder}/cache2` }, tree: { backend: 'tree' }, record: { record: `${folder}/profile` }, populate: { populate: true },
  };
  const ids = new Set<string | undefined>();
  for (const [name, options] of Object.entries({ plain: {}, ...others })) ids.add((await mount(name, options)).layers[0]!.id);
  expect(ids.size).toBe(7);
  for (const name of ['plain', ...Object.keys(others)]) await unmount(name);
}));

oracleTest(needs, 'leaving the tree of one directory, in use, does not touch the server of another', () => withWays(async ({ directory, mount, status, unmount }, { tree, folder }) => {
  await mount('a');
  await mount('b');
  const reader = execFile('sleep', ['100'], { cwd: directory('a') });
  await until(() => spawnSync('readlink', [`/proc/${reader.pid}/cwd`], { encoding: 'utf8' }).stdout.trim() === directory('a'), 'it is there');
  try {
    expect(await unmount('a', true)).toBe(true);
    expect(await status('b')).toMatchObject([{ state: 'served' }]);
    expect(await fillMount(directory('b'), { runtimeFolder: `${folder}/run` })).toBe(false);
    expect(await differences(tree, directory('b'))).toBe('');
  } finally {
    reader.kill();
  }
  await unmount('b');
}));

oracleTest(needs, 'replaced by another image, one directory lets the other keep its server', () => withWays(async ({ directory, mount, status, unmount }, { tree, folder }) => {
  const [old] = (await mount('a')).layers;
  await mount('b');
  expect(await mount('a', { replace: true, readTimeout: 1234 })).not.toHaveProperty('previousInUse'); // the old mount did not end, and needs not
  expect(await status('b')).toMatchObject([{ id: old!.id, state: 'served' }]);
  expect((await status('a'))[0]!['id']).not.toBe(old!.id);
  await pushImage(directory('b'), `${folder}/app.img.zst`, { trust: anybody, cache: `${folder}/cache`, runtimeFolder: `${folder}/run` });
  expect(await differences(tree, directory('b'))).toBe('');
  for (const name of ['a', 'b']) await unmount(name);
}));

oracleTest(needs, 'a supervisor that is told to end takes all of its directories out of the tree', () => withWays(async ({ mount, status }) => {
  await mount('a');
  await mount('b');
  process.kill(Number((await status('a'))[0]!['supervisor']), 'SIGTERM');
  await until(async () => (await status('a')).length + (await status('b')).length === 0, 'both are out');
}));

oracleTest(needs, 'complete images: one loop device for all, but not over a raw image that was exchanged', () => withWays(async ({ directory, mount, unmount }, { folder, tree, cache }) => {
  await mount('a', { fill: true });
  await fillMount(directory('a'), { runtimeFolder: `${folder}/run` });
  const { layers: [{ rootHash } = { rootHash: '' }] } = await mount('b', { fill: true });
  expect(fileSystemOf(directory('b'))).toBe(fileSystemOf(directory('a')));
  // Somebody puts another file in its place, as good as the old one. It is not sealed, so it is thrown away.
  const raw = `${cache}/raw/${rootHash}`;
  copyFileSync(raw, `${raw}.other`);
  renameSync(`${raw}.other`, raw);
  await mount('c', { fill: false });
  expect(fileSystemOf(directory('c'))).not.toBe(fileSystemOf(directory('a')));
  await fillMount(directory('c'), { runtimeFolder: `${folder}/run` });
  expect(readFileSync(raw).length).toBeGreaterThan(0);
  await mount('d');
  expect(fileSystemOf(directory('d'))).toBe(fileSystemOf(directory('c')));
  for (const name of ['a', 'b', 'c', 'd']) {
    expect(await differences(tree, directory(name))).toBe('');
    await run('umount', [directory(name)]);
  }
  await expect(unmount('a')).rejects.toMatchObject({ code: 'NOT_MOUNTED' });
}));

test('many mounts of other images are asked without a warning', () => withTempDir(async (folder) => {
  const others = Array.from({ length: 12 }, () => createServer({ allowHalfOpen: true }, (socket) => { socket.resume().on('data', () => { socket.end('{}\n'); }); }));
  await Promise.all(others.map((server, i) => new Promise<void>((ready) => { server.listen(`${folder}/${i}.sock`, ready); })));
  const program = `import { joinServer } from ${JSON.stringify(new URL('../../src/mount/join.js', import.meta.url).href)}; console.log(await joinServer('key', { runtimeFolder: ${JSON.stringify(folder)}, attributes: 0 }));`;
  try {
    expect(await run(process.execPath, ['--input-type=module', '-e', program])).toEqual({ stdout: 'undefined\n', stderr: '' });
  } finally {
    for (const server of others) server.close();
  }
}));

describe('servingKey', () => {
  const content: ImagePlan = { kind: 'image', locations: ['http://a/'], head: 'AAAA', cache: '/c', cacheSize: 1, offline: false, readTimeout: 1, fill: true, fillRate: 0, handover: true };
  const plan = { backend: 'block', content, foreground: false, trace: false } as const;

  test('is the same for the same', () => {
    expect(servingKey({ ...plan, content: { ...content }, populate: false })).toBe(servingKey(plan));
    expect(servingKey({ ...plan, content: { ...content, origin: { at: 'http://a/', state: { size: 5, etag: '"x"', lastModified: undefined } } } })).toBe(servingKey(plan)); // what one of them heard of the origin
    expect(servingKey(plan)).toMatch(/^[0-9a-f]{64}$/);
  });

  test('differs by the control group: a service that is stopped ends its servers', () => {
    expect(servingKey(plan, '0::/system.slice/a.service\n')).not.toBe(servingKey(plan, '0::/system.slice/b.service\n'));
  });

  test.each([['locations', ['http://b/']], ['head', 'AAAB'], ['cache', '/d'], ['cacheSize', 2], ['offline', true], ['readTimeout', 2], ['fill', false], ['fillRate', 1], ['handover', false], ['prefetch', false], ['profile', '/p']])('differs by %s', (name, value) => {
    expect(servingKey({ ...plan, content: { ...content, [name]: value } })).not.toBe(servingKey(plan));
  });

  test.each([[{ backend: 'tree' }], [{ foreground: true }], [{ trace: true }], [{ populate: true }], [{ content: { ...content, record: '/r' } }], [{ content: { kind: 'raw', path: '/x' } }]] as const)('none for %j', (way) => {
    expect(servingKey({ ...plan, ...way })).toBeUndefined();
  });
});
