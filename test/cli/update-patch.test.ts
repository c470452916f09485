/** `thawfs diff -o` and `thawfs patch` as a user runs them. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApplyPatchReport } from '../../src/update/apply-patch.js';
import type { PatchInspection } from '../../src/update/inspect-patch.js';
import type { MakePatchReport } from '../../src/update/make-patch.js';
import { Cli, finished, type FailureJson } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { until } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

const unsigned = '--allow-unsigned';
let cli: Cli;
const bytes = (name: string): Buffer => readFileSync(cli.path(name));

beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  for (let i = 0; i < 20; i++) writeFileSync(cli.path(`tree/${i}`), noise(1_500_000, i + 1));
  await cli.json(['build', 'tree', '-o', 'old.img.zst', '--name', 'app', '--sequence', '1']);
  for (let i = 0; i < 20; i += 2) writeFileSync(cli.path(`tree/${i}`), Buffer.concat([noise(10_000, 100 + i), noise(1_500_000, i + 1)]));
  await cli.json(['build', 'tree', '-o', 'new.img.zst', '--name', 'app', '--sequence', '2']);
  for (const age of ['old', 'new']) await cli.json(['unpack', `${age}.img.zst`, '-o', `${age}.img`, unsigned]);
});
afterAll(() => { cli.remove(); });

test('make and apply', async () => {
  const made = await cli.json<MakePatchReport>(['diff', 'old.img.zst', 'new.img.zst', '-o', 'p', unsigned]);
  expect(made.size).toBe(statSync(cli.path('p')).size);
  expect(made.size).toBeLessThan(200_000);
  const report = await cli.json<ApplyPatchReport>(['patch', 'old.img.zst', 'p', '-o', 'result', unsigned]);
  expect(report).toMatchObject({ resumedAt: 0, manifest: { sequence: 2 } });
  expect(bytes('result').equals(bytes('new.img.zst'))).toBe(true);
  rmSync(cli.path('result'));
});

test('wrong use', async () => {
  expect(await cli.run(['patch', 'old.img.zst', 'p', unsigned])).toMatchObject({ status: 2 });
  expect(await cli.run(['patch', 'old.img.zst', 'p', '-o', 'result', '--in-place', unsigned])).toMatchObject({ status: 2 });
  expect(await cli.run(['patch', 'new.img.zst', 'p', '-o', 'result', unsigned])).toMatchObject({ status: 3 });
  expect(await cli.run(['patch', 'old.img.zst', 'p', '-o', 'result'])).toMatchObject({ status: 3 });
  expect(await cli.run(['patch', 'old.img', 'p', '--in-place', '--journal', 'nowhere/j', unsigned])).toMatchObject({ status: 8 });
  expect(existsSync(cli.path('result'))).toBe(false);
});

describe('inspect', () => {
  test('--json: everything is accounted for', async () => {
    const { size, streams, kinds, manifest, base, batches, files } = await cli.json<PatchInspection>(['inspect', 'p', '--image', 'new.img.zst']);
    const old = await cli.json<{ verity: { rootHash: string } }>(['inspect', 'old.img.zst']);
    expect([size, base.rootHash, manifest.sequence]).toEqual([statSync(cli.path('p')).size, old.verity.rootHash, 2]);
    const compressed = Object.values(streams).reduce((sum, bytes) => sum + bytes, 0);
    expect(size - compressed).toBe(192 + batches * 56); // the records
    const sum = (field: 'makes' | 'costs'): number => Object.values(kinds).reduce((all, kind) => all + kind[field], 0);
    expect(sum('makes')).toBe(manifest.raw.size);
    expect(Math.round(sum('costs'))).toBe(compressed - streams.head);
    // Ten files begin with 10,000 new bytes.
    expect(files!.slice(0, 10).map(({ path }) => path).sort()).toEqual(Array.from({ length: 10 }, (_, i) => `/${2 * i}`).sort());
    for (const { costs } of files!.slice(0, 10)) expect(Math.abs(costs - 10_000)).toBeLessThan(2000);
  });

  test('as people read it; --image must be what it makes', async () => {
    const { status, stdout } = await cli.run(['inspect', 'p', '--image', 'new.img.zst']);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^new data +\d/m)]);
    expect((await cli.run(['inspect', 'p'])).stdout).not.toContain('/18');
    expect((await cli.json<FailureJson>(['inspect', 'p', '--image', 'old.img.zst'], 3)).error.code).toBe('WRONG_BASE');
  });
});

test('from a web server, and from standard input', async () => {
  const patch = bytes('p');
  await withRangeServer(patch, {}, async (server) => {
    await cli.json(['patch', 'old.img.zst', server.url, '-o', 'result', unsigned]);
    expect((await cli.json<PatchInspection>(['inspect', server.url])).size).toBe(patch.length);
  });
  expect(bytes('result').equals(bytes('new.img.zst'))).toBe(true);
  expect(await cli.run(['patch', 'old.img', '-', '-o', 'result', '--raw', unsigned], { input: patch })).toMatchObject({ status: 0 });
  expect(bytes('result').equals(bytes('new.img'))).toBe(true);
  rmSync(cli.path('result'));
});

describe('two runs at once', () => {
  test.each([
    ['one output', ['-o', 'result', unsigned]], ['one raw output', ['-o', 'result', '--raw', unsigned]], ['one device', ['--in-place', '--journal', 'j', unsigned]],
  ])('%s: the second is told, and goes on when the first is dead', async (_, rest) => {
    copyFileSync(cli.path('old.img'), cli.path('device'));
    const first = cli.start(['patch', 'device', '-', ...rest]);
    const ended = finished(first);
    first.stdin.write(bytes('p').subarray(0, -60)); // and then it waits
    const partial = (): boolean => readdirSync(cli.path('.')).some((name) => name === 'j' || /^\.result\..*patch$/.test(name));
    await until(partial, 'the first makes its output');
    const other = rest.includes('--in-place') ? ['--in-place', unsigned] : rest;
    expect((await cli.json<FailureJson>(['patch', 'device', 'p', ...other], 7)).error.code).toBe('OUTPUT_BUSY');
    first.kill('SIGKILL');
    await ended;
    expect(await cli.run(['patch', 'device', 'p', ...rest])).toMatchObject({ status: 0 });
    for (const name of readdirSync(cli.path('.'))) if (/^\.?(?:result|device|j$)/.test(name)) rmSync(cli.path(name));
  });
});

oracleTest(['loop', 'losetup'], 'block devices: as old image, and updated in place', async () => {
  copyFileSync(cli.path('old.img'), cli.path('disk'));
  truncateSync(cli.path('disk'), statSync(cli.path('new.img')).size + 4096); // larger than either image, as partitions are
  const device = execFileSync('losetup', ['--find', '--show', cli.path('disk')], { encoding: 'utf8' }).trim();
  try {
    await cli.json(['patch', device, 'p', '-o', 'result', unsigned]);
    expect(bytes('result').equals(bytes('new.img.zst'))).toBe(true);
    expect((await cli.json<FailureJson>(['patch', device, 'p', '--in-place', unsigned], 2)).error.code).toBe('BAD_ARGUMENT'); // no journal
    // Who reads the device would see old and new mixed.
    expect((await cli.json<FailureJson>(['patch', 'disk', 'p', '--in-place', unsigned], 6)).error).toMatchObject({ code: 'MOUNT_BUSY', detail: { device } });
    expect((await cli.json<FailureJson>(['patch', 'http://127.0.0.1:1/old.img.zst', 'p', '-o', 'result', unsigned], 2)).error.code).toBe('BAD_ARGUMENT');
    await cli.json(['patch', device, 'p', '--in-place', '--journal', 'j', unsigned]);
    expect(execFileSync('head', ['-c', String(bytes('new.img').length), device], { maxBuffer: 2 ** 30 }).equals(bytes('new.img'))).toBe(true);
    expect((await cli.json<FailureJson>(['patch', device, 'p', '--in-place', '--journal', 'j', unsigned], 3)).error.code).toBe('WRONG_BASE');
  } finally {
    execFileSync('losetup', ['-d', device]);
  }
  rmSync(cli.path('result'));
});
