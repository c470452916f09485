/** Builds that do not end well: Ctrl-C, SIGTERM, kill -9, a full disk. Nothing may stand under the final name, nothing be left for long. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cli, finished, type CliResult, type FailureJson } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { oracleTest } from '../helpers/oracle.js';

let cli: Cli;
/** Level 19 over this takes many seconds: there is time to interrupt it. */
const SIZE = 48 << 20;
const slow = ['build', 'tree', '-o', 'out/app.img', '--level', '19', '--no-check'];

beforeAll(() => {
  cli = new Cli();
  for (const name of ['tree', 'out']) mkdirSync(cli.path(name));
  const block = noise(1 << 20, 1);
  for (let i = 0; i < SIZE / block.length; i++) {
    block.writeUInt32LE(i, 0); // files of equal content would share their blocks
    writeFileSync(cli.path(`tree/${i}`), block.toString('base64').slice(0, block.length));
  }
});
afterAll(() => cli.remove());

const left = (): string[] => readdirSync(cli.path('out'));

/** Starts a build and waits until it writes. */
async function building(...extra: string[]): Promise<{ signal: (name: NodeJS.Signals) => void; result: Promise<CliResult> }> {
  const child = cli.start([...slow, ...extra]);
  child.stdin.end();
  const result = finished(child);
  while (!left().some((name) => name.endsWith('.partial'))) {
    if (child.exitCode !== null) throw new Error(`it ended too early: ${(await result).stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  return { signal: (name) => child.kill(name), result };
}

describe.each([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const)('%s', (name, status) => {
  test(`ends with ${status}, and leaves nothing`, async () => {
    const { signal, result } = await building();
    signal(name);
    expect(await result).toMatchObject({ status, stdout: '', stderr: expect.stringContaining(`interrupted by ${name}`) as unknown });
    expect(left()).toEqual([]);
  });
});

test('with --json too', async () => {
  const { signal, result } = await building('--json');
  signal('SIGINT');
  const { status, stdout } = await result;
  expect(status).toBe(130);
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'INTERRUPTED', exitCode: 130, suggestion: expect.stringMatching(/^Run it again/) as unknown } });
});

test('an image that exists stays as it is', async () => {
  writeFileSync(cli.path('out/app.img'), 'the old one');
  const { signal, result } = await building();
  signal('SIGINT');
  expect((await result).status).toBe(130);
  expect(left()).toEqual(['app.img']);
  expect(spawnSync('cat', [cli.path('out/app.img')], { encoding: 'utf8' }).stdout).toBe('the old one');
  rmSync(cli.path('out/app.img'));
});

test('kill -9: nothing under the final name, and the next build removes what is left', async () => {
  const { signal, result } = await building();
  signal('SIGKILL');
  expect((await result).signal).toBe('SIGKILL');
  expect(existsSync(cli.path('out/app.img'))).toBe(false);
  expect(left()).toHaveLength(1);
  mkdirSync(cli.path('small'));
  await cli.json(['build', 'small', '-o', 'out/app.img']);
  expect(left()).toEqual(['app.img']);
  rmSync(cli.path('out/app.img'));
});

oracleTest(['root', 'linux'], 'a full disk: said so, and nothing left on it', async () => {
  mkdirSync(cli.path('full'));
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', cli.path('full')]).status).toBe(0);
  try {
    const { error } = await cli.json<FailureJson>(['build', 'tree', '-o', 'full/app.img'], 7);
    expect(error).toMatchObject({ code: 'NO_SPACE', suggestion: expect.any(String) as unknown });
    expect(readdirSync(cli.path('full'))).toEqual([]);
  } finally {
    spawnSync('umount', [cli.path('full')]);
  }
});
