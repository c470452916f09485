/**
 * Every way that makes a new image from an old one, killed at any time and on disks that are full at any byte: the next run goes on, makes
 * little again, and the result is right. Many more of both: KILLS=100 FULL_DISKS=30 SEED=0.5 … dist/test/cli/update-interrupted -t 'in place'
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApplyPatchReport } from '../../src/update/apply-patch.js';
import type { PatchInspection } from '../../src/update/inspect-patch.js';
import type { PullReport } from '../../src/update/pull.js';
import { Cli, finished, type FailureJson } from '../helpers/cli.js';
import { gzipNine, text } from '../helpers/gzip-file.js';
import { noise } from '../helpers/make-tree.js';
import { oracleTest } from '../helpers/oracle.js';

const KILLS = Number(process.env['KILLS'] ?? 4);
const FULL_DISKS = Number(process.env['FULL_DISKS'] ?? 2);
/** 0..1: where the random moments and sizes begin. */
const SEED = Number(process.env['SEED'] ?? 0);
/** A run of the slowest kind, on a loaded machine. */
const RUN_MS = 15_000;
/** Bytes of what is in each of so many files that a patch opens. */
const GZIP_FILES = 6;
const GZIP_CONTENT = 500_000;
/** What may have to be made again. */
const REDONE_MAX = 4 << 20;

const unsigned = '--allow-unsigned';
let cli: Cli;
const bytes = (name: string): Buffer => readFileSync(cli.path(name));
const random = (i: number): number => (SEED + i * 0.618033988749895) % 1;

beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  mkdirSync(cli.path('published'));
  for (let i = 0; i < 20; i++) writeFileSync(cli.path(`tree/${i}`), noise(1_500_000, i + 1));
  for (let i = 0; i < GZIP_FILES; i++) writeFileSync(cli.path(`tree/${i}.gz`), gzipNine(text(GZIP_CONTENT, i + 1)));
  await cli.json(['build', 'tree', '-o', 'old.img.zst', '--name', 'app', '--sequence', '1']);
  for (let i = 0; i < 20; i += 2) writeFileSync(cli.path(`tree/${i}`), Buffer.concat([noise(10_000, 100 + i), noise(1_500_000, i + 1)]));
  for (let i = 0; i < GZIP_FILES; i++) writeFileSync(cli.path(`tree/${i}.gz`), gzipNine(Buffer.concat([text(500, 100 + i), text(GZIP_CONTENT, i + 1)])));
  await cli.json(['build', 'tree', '-o', 'new.img.zst', '--name', 'app', '--sequence', '2']);
  copyFileSync(cli.path('new.img.zst'), cli.path('published/new.img.zst'));
  await cli.json(['diff', 'old.img.zst', 'published/new.img.zst', '--publish', unsigned]);
  const published = readdirSync(cli.path('published')).find((name) => name.endsWith('.thawpatch'))!;
  copyFileSync(cli.path(`published/${published}`), cli.path('p'));
  const { kinds } = await cli.json<PatchInspection>(['inspect', 'p']);
  expect(kinds.gzip.operations).toBe(GZIP_FILES);
  for (const age of ['old', 'new']) await cli.json(['unpack', `${age}.img.zst`, '-o', `${age}.img`, unsigned]);
}, 20 * RUN_MS);
afterAll(() => { cli.remove(); });

interface Way {
  readonly args: readonly string[];
  /** In the folder `disk`: the output, or what is updated in place. */
  readonly result: string;
  readonly expected: string;
  /** What is being made, beside it. */
  readonly partial: RegExp;
}

const patchTo = ['patch', 'old.img.zst', 'p', '-o', 'disk/result', unsigned];
const inPlace = ['patch', 'disk/device', 'p', '--in-place', unsigned];
const pull = ['-o', 'disk/result', '--seed', 'old.img.zst', unsigned];

describe.each<[string, Way]>([
  ['patch to an image file', { args: patchTo, result: 'result', expected: 'new.img.zst', partial: /^\.result\..*\.patch$/ }],
  ['patch to a raw image', { args: [...patchTo, '--raw'], result: 'result', expected: 'new.img', partial: /^\.result\..*\.patch$/ }],
  ['patch in place', { args: inPlace, result: 'device', expected: 'new.img', partial: /^\.device\.journal$/ }],
  ['pull of chunks', { args: ['pull', 'new.img.zst', ...pull], result: 'result', expected: 'new.img.zst', partial: /^\.result\.pull$/ }],
  ['pull of a published patch', { args: ['pull', 'published/new.img.zst', ...pull], result: 'result', expected: 'new.img.zst', partial: /^\.result\..*\.patch$/ }],
])('%s', (_, { args, result, expected, partial }) => {
  const path = `disk/${result}`;
  const start = (): void => {
    mkdirSync(cli.path('disk'), { recursive: true });
    for (const name of readdirSync(cli.path('disk'))) rmSync(cli.path(`disk/${name}`));
    if (result === 'device') copyFileSync(cli.path('old.img'), cli.path(path));
  };
  /** @returns bytes of the disk that what was made so far takes */
  const made = (): number => readdirSync(cli.path('disk')).reduce((sum, name) => sum + (partial.test(name) ? statSync(cli.path(`disk/${name}`)).blocks * 512 : 0), 0);
  /** The last run, which must find what the others have left. */
  const finish = async (): Promise<void> => {
    const before = made();
    const report = await cli.json<ApplyPatchReport | PullReport>(args);
    const kept = 'resumedAt' in report ? report.resumedAt : report.cost.patch === undefined ? report.cost.kept : before; // of a published patch the download is told
    expect(kept).toBeGreaterThanOrEqual(before - REDONE_MAX);
    expect(bytes(path).equals(bytes(expected))).toBe(true);
    expect(readdirSync(cli.path('disk'))).toEqual([result]);
  };

  test(`killed ${KILLS} times`, async () => {
    start();
    const begin = Date.now();
    await finish();
    const whole = Date.now() - begin;
    start();
    for (let i = 0; i < KILLS; i++) {
      const child = cli.start(args);
      const ended = finished(child);
      await sleep(whole * (0.2 + 0.8 * random(i)));
      child.kill('SIGKILL');
      const { status } = await ended;
      if (status !== null || (result === 'result' && existsSync(cli.path(path)))) { // it was quicker
        expect(bytes(path).equals(bytes(expected))).toBe(true);
        start();
      }
    }
    if (result === 'device' && bytes(path).equals(bytes(expected))) start(); // killed on its way out
    await finish();
  }, (KILLS + 2) * RUN_MS);

  oracleTest(['root', 'linux'], `on ${FULL_DISKS} disks that are full`, async () => {
    start();
    const needed = statSync(cli.path(expected)).size;
    const there = result === 'device' ? statSync(cli.path(path)).size : 0;
    let full = 0;
    for (let i = 0; i < FULL_DISKS; i++) {
      const size = there + Math.ceil(needed * random(i));
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', cli.path('disk')]);
      try {
        start();
        const { status, stdout } = await cli.run([...args, '--json']);
        if (status !== 0) {
          full++;
          expect([status, (JSON.parse(stdout) as FailureJson).error.code]).toEqual([7, 'NO_SPACE']);
          if (result === 'result') expect(existsSync(cli.path(path))).toBe(false);
          execFileSync('mount', ['-o', `remount,size=${3 * needed}`, cli.path('disk')]);
          await finish();
        } else expect(bytes(path).equals(bytes(expected))).toBe(true);
      } finally {
        execFileSync('umount', [cli.path('disk')]);
      }
    }
    expect(full).toBeGreaterThan(0);
  }, (FULL_DISKS + 1) * 2 * RUN_MS);
});
