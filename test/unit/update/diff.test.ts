/** Images built from trees that differ in known ways: what diff says, what it costs to know, and that the shares of the cost add up. */
import { spawnSync } from 'node:child_process';
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { buildImage, type BuildOptions } from '../../../src/image/build.js';
import { openImage } from '../../../src/image/open.js';
import { unpackImage } from '../../../src/image/unpack.js';
import { diffTrees, type DiffReport } from '../../../src/update/diff.js';
import { pullImage } from '../../../src/update/pull.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withRangeServer } from '../../helpers/range-server.js';

const trust = { keys: [], allowUnsigned: true, now: 0 };
let folder: string;
const at = (name: string): string => join(folder, name);
const diff = (before: string, after: string): Promise<DiffReport> => diffTrees(at(before), at(after), { trust });
const build = (tree: string, image: string, more: Partial<BuildOptions> = {}): Promise<unknown> => buildImage({ source: at(tree), output: at(image), chunkSize: 16384, ...more });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-diff-'));
  mkdirSync(at('old/sub/deep'), { recursive: true });
  for (let i = 0; i < 20; i++) writeFileSync(at(`old/sub/same-${i}`), noise(30_000, i + 1));
  for (const name of ['changed', 'grown', 'sub/moved', 'sub/gone', 'mode', 'touched', 'sub/deep/twin-1', 'linked']) writeFileSync(at(`old/${name}`), noise(20_000, name.length));
  for (const size of [1, 60, 61, 100]) writeFileSync(at(`old/small-${size}`), noise(size, size)); // inside an inode in one part, or in two
  writeFileSync(at('old/empty-old'), '');
  symlinkSync('changed', at('old/link'));
  spawnSync('cp', ['-a', at('old'), at('new')]); // cpSync cuts times to milliseconds
  const bytes = noise(20_000, 'changed'.length);
  bytes[12_345]! ^= 1;
  writeFileSync(at('new/changed'), bytes);
  writeFileSync(at('new/grown'), noise(20_001, 5));
  renameSync(at('new/sub/moved'), at('new/sub/deep/arrived'));
  rmSync(at('new/sub/gone'));
  chmodSync(at('new/mode'), 0o600);
  utimesSync(at('new/touched'), 1, 1);
  rmSync(at('new/linked'));
  linkSync(at('new/mode'), at('new/linked'));
  rmSync(at('new/link'));
  symlinkSync('grown', at('new/link'));
  renameSync(at('new/empty-old'), at('new/empty-new'));
  writeFileSync(at('new/fresh'), noise(70_000, 77));
  for (const tree of ['old', 'new']) for (const name of ['', 'sub', 'sub/deep', 'changed', 'grown', 'linked']) utimesSync(at(`${tree}/${name}`), 5, 5);
  spawnSync('touch', ['-h', '-d', '@5', at('old/link'), at('new/link')]);
  for (const tree of ['old', 'new']) await build(tree, `${tree}.img.zst`);
});
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

const expected = [
  ['changed', '/changed', ['content']],
  ['added', '/empty-new', []],
  ['removed', '/empty-old', []],
  ['added', '/fresh', []],
  ['changed', '/grown', ['content']],
  ['changed', '/link', ['target']],
  ['changed', '/linked', ['content', 'permissions']],
  ['metadata', '/mode', ['permissions', 'mtime', 'links']],
  ['moved', '/sub/deep/arrived', []],
  ['removed', '/sub/gone', []],
  ['metadata', '/touched', ['mtime']],
];
const seen = ({ changes }: DiffReport): unknown[] => changes.map(({ change, path, fields }) => [change, path, fields]);

describe('diff', () => {
  test('between images: every kind of change, and nothing else', async () => {
    const report = await diff('old.img.zst', 'new.img.zst');
    // mode and linked are one file now, of which linked is the first name; its time was set last.
    expect(seen(report)).toEqual(expected);
    expect(report.changes.find(({ change }) => change === 'moved')).toMatchObject({ from: '/sub/moved' });
    expect(report.counts).toEqual({ added: 2, removed: 2, changed: 4, moved: 1, metadata: 2 });
  });

  test('the same with other salts, inline data or fs-verity on one side, and with a tree or a tar in the place of an image', async () => {
    await build('new', 'salted.img.zst', { salt: Uint8Array.of(1, 2, 3) });
    await build('new', 'inline.img.zst', { inlineData: true });
    await build('new', 'verity.img.zst', { fsVerity: true });
    spawnSync('tar', ['--format=posix', '-cf', at('new.tar'), '-C', at('new'), '.']);
    for (const after of ['salted.img.zst', 'inline.img.zst', 'verity.img.zst', 'new', 'new.tar']) {
      expect([after, seen(await diff('old.img.zst', after))]).toEqual([after, expected]);
      expect([after, (await diff('new.img.zst', after)).equal]).toEqual([after, true]);
    }
    expect(seen(await diff('old', 'new.img.zst'))).toEqual(expected);
  });

  test('and with raw images in the place of images', async () => {
    for (const age of ['old', 'new']) {
      await using image = await openImage(at(`${age}.img.zst`), { trust });
      await unpackImage(image, at(`${age}.raw`));
    }
    const raw = (age: string): string => `ext4:${at(`${age}.raw`)}`;
    for (const [before, after] of [[raw('old'), at('new.img.zst')], [at('old'), raw('new')], [raw('old'), raw('new')]] as const) {
      expect(seen(await diffTrees(before, after, { trust }))).toEqual(expected);
    }
    expect(await diffTrees(raw('new'), at('new.img.zst'), { trust })).toMatchObject({ equal: true, before: at('new.raw') });
    await expect(diffTrees(`ext4:${at('old/changed')}`, at('new'), { trust })).rejects.toEqual(expect.objectContaining({ code: 'BAD_MAGIC' }));
    await expect(diffTrees(`ext4:${at('old')}`, at('new'), { trust })).rejects.toEqual(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    truncateSync(at('old.raw'), 100_000);
    await expect(diffTrees(raw('old'), at('new'), { trust })).rejects.toEqual(expect.objectContaining({ code: 'TRUNCATED' }));
  });

  oracleTest(['mke2fs'], 'with what mke2fs makes: blocks of 1 KiB, maps instead of extents, packed into an image or not', async () => {
    for (const [name, options] of [['small', ['-t', 'ext4', '-b', '1024']], ['maps', ['-t', 'ext2', '-b', '1024']], ['plain', ['-t', 'ext4']]] as const) {
      const made = spawnSync('mke2fs', ['-q', '-F', ...options, '-d', at('new'), at(`${name}.ext4`), '8M']);
      expect([made.status, String(made.stderr)]).toEqual([0, '']);
      await buildImage({ source: `ext4:${at(`${name}.ext4`)}`, output: at(`${name}.img.zst`) });
      for (const side of [`ext4:${at(`${name}.ext4`)}`, at(`${name}.img.zst`)]) {
        const { changes } = await diffTrees(side, at('new.img.zst'), { trust });
        expect([side, changes.filter(({ fields }) => fields.some((field) => field !== 'mtime'))]).toEqual([side, []]); // which mke2fs cuts to seconds in small inodes
        expect(seen(await diffTrees(at('old'), side, { trust })).filter((change) => (change as string[])[1] === '/changed')).toEqual([['changed', '/changed', ['content']]]);
      }
    }
  });

  oracleTest(['mke2fs'], 'with small files in small blocks, of which several lie in one block of the hash tree', async () => {
    mkdirSync(at('tiny'));
    for (let i = 0; i < 60; i++) writeFileSync(at(`tiny/${i}`), noise(500 + i, i));
    for (const blockSize of ['1024', '2048']) {
      expect(spawnSync('mke2fs', ['-q', '-F', '-b', blockSize, '-d', at('tiny'), at('tiny.ext4'), '2M']).status).toBe(0);
      await buildImage({ source: `ext4:${at('tiny.ext4')}`, output: at('tiny.img.zst') });
      expect((await diff('tiny.img.zst', 'tiny')).changes.filter(({ fields }) => fields.includes('content'))).toEqual([]);
    }
  });

  oracleTest(['root', 'linux'], 'with a block device', async () => {
    const device = spawnSync('losetup', ['-f', '--show', '-r', at('new.raw')], { encoding: 'utf8' }).stdout.trim();
    try {
      expect(device).toMatch(/^\/dev\/loop\d+$/);
      expect(seen(await diffTrees(at('old.img.zst'), `ext4:${device}`, { trust }))).toEqual(expected);
    } finally {
      spawnSync('losetup', ['-d', device]);
    }
  });

  test('equal images are equal, whatever their chunks', async () => {
    await buildImage({ source: at('old'), output: at('large-chunks.img.zst'), chunkSize: 1 << 20, level: 1 });
    expect((await diff('old.img.zst', 'old.img.zst'))).toMatchObject({ equal: true, changes: [], fetch: { total: 0 } });
    expect(await diff('old.img.zst', 'large-chunks.img.zst')).toMatchObject({ equal: true, changes: [] });
  });

  test('the cost is that of pull, and its shares add up', async () => {
    const { fetch, changes, directories } = await diff('old.img.zst', 'new.img.zst');
    const { cost } = await pullImage(at('new.img.zst'), at('pulled'), { trust, seeds: [at('old.img.zst')], dryRun: true });
    const { total, changed, relocated, metadata } = fetch!;
    expect(total).toBe(changed + relocated + metadata);
    expect(total + cost.seeded + cost.repeated).toBeLessThan(cost.fileSize);
    expect(Math.abs(cost.fetch - total)).toBeLessThan(cost.requests * 4096); // gaps that are fetched along
    expect(directories[0]).toEqual({ path: '/', download: changed + relocated });
    const fresh = changes.find(({ path }) => path === '/fresh')!;
    expect(fresh.download).toBeGreaterThan(70_000);
    expect(fresh.download).toBeLessThan(90_000);
    expect(changes.filter(({ change }) => change !== 'removed').reduce((sum, { download }) => sum + download, 0)).toBeLessThanOrEqual(changed + relocated);
  });

  test('files and directories add up, whatever names a file has', async () => {
    mkdirSync(at('linked-tree/a/b'), { recursive: true });
    mkdirSync(at('linked-tree/c'));
    for (const name of ['a/1', 'a/b/2', 'c/3']) writeFileSync(at(`linked-tree/${name}`), noise(60_000, name.charCodeAt(0)));
    linkSync(at('linked-tree/a/1'), at('linked-tree/c/as-1'));
    await build('linked-tree', 'linked-old.img.zst');
    for (const name of ['a/1', 'a/b/2']) writeFileSync(at(`linked-tree/${name}`), noise(60_000, 50 + name.length));
    writeFileSync(at('linked-tree/c/new'), noise(60_000, 90));
    linkSync(at('linked-tree/c/new'), at('linked-tree/a/b/as-new'));
    await build('linked-tree', 'linked-new.img.zst', { base: { location: at('linked-old.img.zst'), trust } });
    const { changes, directories, fetch } = await diff('linked-old.img.zst', 'linked-new.img.zst');
    expect(fetch!.relocated).toBe(0);
    const below = (directory: string): number => changes.reduce((sum, { path, download }) => sum + (path.startsWith(directory) ? download : 0), 0);
    expect(below('/')).toBe(fetch!.changed);
    expect(directories).toEqual(['/', '/a', '/a/b'].map((path) => ({ path, download: below(path) })));
    expect(changes.filter(({ download }) => download > 0).map(({ path }) => path)).toEqual(['/a/1', '/a/b/2', '/a/b/as-new']);
  });

  test('of URLs only index, metadata and hash tree are fetched', async () => {
    const image = readFileSync(at('new.img.zst'));
    await withRangeServer(image, {}, async (server) => {
      const report = await diffTrees(at('old.img.zst'), server.url, { trust });
      expect(seen(report)).toEqual(expected);
      expect(server.bytesSent).toBeLessThan(image.length / 3);
      expect(server.seen.length).toBeLessThan(12);
    });
  });

  test('what is no image, or not there, is called so', async () => {
    writeFileSync(at('garbage'), noise(1000, 3));
    await expect(diff('old.img.zst', 'garbage')).rejects.toEqual(expect.objectContaining({ kind: 'format' }));
    await expect(diff('old.img.zst', 'nowhere')).rejects.toEqual(expect.objectContaining({ code: 'PATH_MISSING' }));
  });
});
