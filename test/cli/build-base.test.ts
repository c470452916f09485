/** `thawfs build --base`, and `pull` of what it makes, as a user runs them. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeHead } from '../../src/chunk/head.js';
import type { BuildReport } from '../../src/image/build.js';
import type { DiffReport } from '../../src/update/diff.js';
import type { PullReport } from '../../src/update/pull.js';
import type { ReleaseReport } from '../../src/update/release.js';
import { Cli, finished, type FailureJson } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { until } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('one/lib'), { recursive: true });
  for (let i = 0; i < 60; i++) writeFileSync(cli.path(`one/lib/f${i}`), noise(10_000 + i * 977, i + 1));
  await cli.json(['key', 'generate', '-o', 'ci.pem']);
  spawnSync('touch', ['-d', '@1600000000', cli.path('one/lib'), cli.path('one')]);
  cpSync(cli.path('one'), cli.path('two'), { recursive: true, preserveTimestamps: true });
  writeFileSync(cli.path('two/lib/f7'), noise(30_000, 99));
  rmSync(cli.path('two/lib/f20'));
  renameSync(cli.path('two/lib/f30'), cli.path('two/moved'));
  await build('one', 'one.img.zst', '--chunk-size', '16K', '--level', '5', '--salt', 'ab');
});
afterAll(() => cli.remove());

const build = (tree: string, output: string, ...args: string[]): Promise<BuildReport> => cli.json(['build', tree, '-o', output, '--key', 'ci.pem', ...args]);
const onBase = (output: string, ...args: string[]): Promise<BuildReport> => build('two', output, '--base', 'one.img.zst', '--trust', 'ci.pub', ...args);
const failure = async (...args: string[]): Promise<FailureJson> => JSON.parse((await cli.run(['build', 'two', '-o', 'no.img.zst', ...args, '--json'])).stdout) as FailureJson;

describe('a build on a base', () => {
  test('takes over the settings, names its base, and costs a reader little', async () => {
    const report = await onBase('two.img.zst');
    const base = (await cli.json<{ manifest: BuildReport['manifest'] }>(['inspect', 'one.img.zst', '--trust', 'ci.pub'])).manifest;
    expect(report.manifest).toMatchObject({ base: base.verity.rootHash, codec: { level: 5 }, index: { chunkSize: 16384 }, verity: { salt: 'ab' } });
    expect(report.base).toMatchObject({ location: 'one.img.zst', continued: true, fresh: 32_768, evacuated: 0 });
    expect(report.base!.freed).toBeGreaterThan(0);
    expect((await cli.run(['verify', '--deep', 'two.img.zst', '--trust', 'ci.pub'])).status).toBe(0);
    const { cost } = await cli.json<PullReport>(['pull', 'two.img.zst', '-o', 'pulled.img.zst', '--seed', 'one.img.zst', '--trust', 'ci.pub']);
    expect(readFileSync(cli.path('pulled.img.zst')).equals(readFileSync(cli.path('two.img.zst')))).toBe(true);
    expect(cost.fetch).toBeLessThan(130_000); // 30 KB of it noise; the whole is 2.3 MB
  });

  test('is the same from a file and a URL, with one thread and three, from a directory and a tar', async () => {
    const expected = (await onBase('again.img.zst', '--jobs', '1')).manifest;
    await withRangeServer(readFileSync(cli.path('one.img.zst')), {}, async ({ url }) => {
      const { manifest, base } = await build('two', 'url.img.zst', '--base', url, '--trust', 'ci.pub', '--jobs', '3');
      expect([manifest, base!.continued]).toEqual([expected, true]);
    });
    spawnSync('tar', ['-C', cli.path('two'), '--sort=name', '--format=pax', '-cf', cli.path('two.tar'), '.']);
    expect((await build('two.tar', 'tar.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub')).manifest).toEqual(expected);
    for (const other of ['url', 'tar']) expect(readFileSync(cli.path(`${other}.img.zst`)).equals(readFileSync(cli.path('again.img.zst')))).toBe(true);
  });

  test('--zero-free leaves nothing behind, --max-waste begins afresh and says so', async () => {
    expect((await onBase('zero.img.zst', '--zero-free')).base).toMatchObject({ continued: true, freed: 0 });
    const { manifest, base } = await onBase('afresh.img.zst', '--max-waste', '0%');
    expect(base).toMatchObject({ continued: false, reason: expect.stringMatching(/at most 0 %/) });
    expect(manifest.base).toBeUndefined();
    const { stdout } = await cli.run(['build', 'two', '-o', 'seen.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub', '--max-waste', '0']);
    expect(stdout).toMatch(/^base +one\.img\.zst is not continued, the layout begins afresh: /m);
    expect((await cli.run(['build', 'two', '-o', 'seen.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub'])).stdout).toMatch(/^base +one\.img\.zst is continued: /m);
  });
});

describe('--publish', () => {
  const patchOf = (image: string, { base }: BuildReport): string => `${image}.from-${base!.rootHash.slice(0, 16)}.thawpatch`;
  const fetchOf = async (image: string): Promise<DiffReport['fetch']> => (await cli.json<DiffReport>(['diff', 'one.img.zst', image, '--stat', '--trust', 'ci.pub'], 1)).fetch;

  test('puts beside the image the patch that diff --publish makes, also from a URL, and says what each way costs', async () => {
    const report = await onBase('published.img.zst', '--publish') as ReleaseReport;
    const patch = patchOf('published.img.zst', report);
    const bytes = readFileSync(cli.path(patch));
    expect(report.update).toMatchObject({ chunks: (await fetchOf('published.img.zst'))!.total, patch: { patch, size: bytes.length } });
    rmSync(cli.path(patch));
    await cli.json(['diff', 'one.img.zst', 'published.img.zst', '--publish', '--trust', 'ci.pub']);
    expect(readFileSync(cli.path(patch)).equals(bytes)).toBe(true);
    await withRangeServer(readFileSync(cli.path('one.img.zst')), {}, async ({ url, seen }) => {
      rmSync(cli.path(patch));
      await build('two', 'published.img.zst', '--base', url, '--trust', 'ci.pub', '--publish');
      expect(readFileSync(cli.path(patch)).equals(bytes)).toBe(true);
      expect(seen.filter(({ range }) => range?.startsWith('bytes=0-'))).toHaveLength(1); // the base is opened once
    });
    const { cost } = await cli.json<PullReport>(['pull', 'published.img.zst', '-o', 'by-patch.img.zst', '--seed', 'one.img.zst', '--trust', 'ci.pub', '--dry-run']);
    expect(cost.fetch).toBe(report.update.chunks); // less than 1 MiB: no patch is looked for
    const { stdout } = await cli.run(['build', 'two', '-o', 'seen.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub', '--publish']);
    expect(stdout).toMatch(/^update +who has the base fetches the patch seen\.img\.zst\.from-[0-9a-f]{16}\.thawpatch, .* instead of .* in chunks$/m);
  });

  test('without it: what chunks cost, and how to have a patch', async () => {
    const report = await onBase('plain.img.zst') as ReleaseReport;
    expect(report.update).toEqual({ chunks: (await fetchOf('plain.img.zst'))!.total });
    expect(existsSync(cli.path(patchOf('plain.img.zst', report)))).toBe(false);
    const { stdout } = await cli.run(['build', 'two', '-o', 'plain.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub']);
    expect(stdout).toMatch(new RegExp(`^update +who has the base fetches .*${report.update.chunks} bytes\\) in chunks; --publish makes a patch$`, 'm'));
  });

  test('the image may take the very name of its base', async () => {
    cpSync(cli.path('one.img.zst'), cli.path('app.img.zst'));
    const { update } = await build('two', 'app.img.zst', '--base', 'app.img.zst', '--trust', 'ci.pub', '--publish') as ReleaseReport;
    expect(update.chunks).toBe((await fetchOf('app.img.zst'))!.total);
    expect((await cli.run(['patch', 'one.img.zst', update.patch!.patch, '-o', 'patched.img.zst', '--trust', 'ci.pub'])).status).toBe(0);
    expect(readFileSync(cli.path('patched.img.zst')).equals(readFileSync(cli.path('app.img.zst')))).toBe(true);
  });

  test('a patch that fails: the image is there, whole, and the failure says so', async () => {
    const patch = patchOf('alone.img.zst', await onBase('alone.img.zst'));
    rmSync(cli.path('alone.img.zst'));
    mkdirSync(cli.path(patch)); // what no file can replace
    const { status, stderr } = await cli.run(['build', 'two', '-o', 'alone.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub', '--key', 'ci.pem', '--publish']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/alone\.img\.zst is complete, the patch to it is not: .*thawfs diff one\.img\.zst\s+alone\.img\.zst --publish/s)]);
    expect((await cli.run(['verify', 'alone.img.zst', '--trust', 'ci.pub'])).status).toBe(0);
  });

  oracleTest(['root', 'linux'], 'a disk that the image fits on and the patch does not; a kill while the patch is written', async () => {
    cpSync(cli.path('one'), cli.path('more'), { recursive: true, preserveTimestamps: true });
    for (let i = 0; i < 8; i++) writeFileSync(cli.path(`more/fresh${i}`), noise(1_000_000, 200 + i)); // 8 MB of patch
    const args = ['more', '-o', 'disk/more.img.zst', '--base', 'one.img.zst', '--trust', 'ci.pub', '--key', 'ci.pem', '--publish'];
    mkdirSync(cli.path('disk'));
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=14m', 'tmpfs', cli.path('disk')]); // the image has 10.5 MB
    try {
      const { error } = await cli.json<FailureJson>(['build', ...args], 7);
      expect(error).toMatchObject({ code: 'NO_SPACE', detail: { image: 'disk/more.img.zst' } });
      expect(readdirSync(cli.path('disk'))).toEqual(['more.img.zst']);
      expect((await cli.run(['verify', 'disk/more.img.zst', '--trust', 'ci.pub'])).status).toBe(0);

      spawnSync('mount', ['-o', 'remount,size=40m', cli.path('disk')]);
      const child = cli.start(['build', ...args]);
      const ended = finished(child);
      await until(() => Promise.resolve(readdirSync(cli.path('disk')).some((name) => name.includes('.thawpatch.'))), 'the patch is being written');
      child.kill('SIGKILL');
      await ended;
      expect(readdirSync(cli.path('disk'))).toEqual([expect.stringMatching(/^\.more.*\.partial$/), 'more.img.zst']);
      expect((await cli.run(['verify', 'disk/more.img.zst', '--trust', 'ci.pub'])).status).toBe(0);
      const { update: { patch } } = await cli.json<ReleaseReport>(['build', ...args]);
      expect(readdirSync(cli.path('disk'))).toEqual(['more.img.zst', basename(patch!.patch)]); // what was left is gone
    } finally {
      spawnSync('umount', [cli.path('disk')]);
    }
  });
});

describe('refused', () => {
  test('--publish without a base', async () => {
    const { status, stderr } = await cli.run(['build', 'two', '-o', 'no.img.zst', '--publish']);
    expect([status, stderr]).toEqual([2, expect.stringMatching(/must be provided when using --publish: --base/)]);
  });


  test('a base that nobody vouches for', async () => {
    await cli.json(['key', 'generate', '-o', 'other.pem']);
    expect((await failure('--base', 'one.img.zst', '--trust', 'other.pub')).error.code).toBe('KEY_UNTRUSTED');
    expect((await failure('--base', 'one.img.zst')).error.code).toBe('KEY_UNTRUSTED');
    expect((await cli.run(['build', 'two', '-o', 'unsigned.img.zst', '--base', 'one.img.zst', '--allow-unsigned'])).status).toBe(0);
  });

  test('what is said of a base where there is none', async () => {
    for (const flags of [['--trust', 'ci.pub'], ['--threshold', '2'], ['--allow-unsigned'], ['--zero-free']]) {
      const { status, stderr } = await cli.run(['build', 'two', '-o', 'x.img.zst', ...flags]);
      expect([status, stderr]).toEqual([2, expect.stringMatching(/--base/)]);
    }
  });

  test('other settings than those of the base', async () => {
    for (const flags of [['--level', '3'], ['--chunk-size', '64K'], ['--salt', 'cd']]) {
      const { error } = await failure('--base', 'one.img.zst', '--trust', 'ci.pub', ...flags);
      expect([error.code, error.detail]).toEqual(['BAD_ARGUMENT', expect.objectContaining({ flag: flags[0] })]);
    }
    expect((await failure('--max-waste', 'much', '--base', 'one.img.zst')).error.code).toBe('BAD_ARGUMENT');
  });

  test('what is no base: missing, damaged, laid out by others', async () => {
    expect((await failure('--base', 'no-such', '--allow-unsigned')).error.code).toBe('PATH_MISSING');
    expect((await failure('--base', 'two/moved', '--allow-unsigned')).error.code).toBe('BAD_MAGIC');
    const damaged = readFileSync(cli.path('one.img.zst'));
    const { headSize } = decodeHead(damaged);
    damaged.fill(0xff, headSize, headSize + 4000); // frames of the metadata
    writeFileSync(cli.path('damaged.img.zst'), damaged);
    expect((await failure('--base', 'damaged.img.zst', '--trust', 'ci.pub')).error.code).toMatch(/^CHUNK_DIGEST_MISMATCH$|^INDEX_DIGEST_MISMATCH$/);
    if (spawnSync('mkfs.ext4', ['-q', cli.path('foreign.raw'), '8M']).status !== 0) return;
    await cli.json(['build', 'ext4:foreign.raw', '-o', 'foreign.img.zst', '--chunk-size', '16K']);
    expect((await failure('--base', 'foreign.img.zst', '--allow-unsigned')).error.code).toBe('FEATURE_UNSUPPORTED');
  });
});
