/** `thawfs diff -o` and `thawfs patch` as a user runs them; killed at any time, and on a full disk, they go on afterwards. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ApplyPatchReport } from '../../src/update/apply-patch.js';
import type { MakePatchReport } from '../../src/update/make-patch.js';
import { Cli, finished, program } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';

/** A bench runs this with more. */
const KILLS = Number(process.env['KILLS'] ?? 5);
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

describe.each<[string, readonly string[], string, string]>([
  ['to an image file', ['patch', 'old.img.zst', 'p', '-o', 'result', unsigned], 'result', 'new.img.zst'],
  ['to a raw image', ['patch', 'old.img', 'p', '-o', 'result', '--raw', unsigned], 'result', 'new.img'],
  ['in place', ['patch', 'device', 'p', '--in-place', unsigned], 'device', 'new.img'],
])('%s', (_, args, result, expected) => {
  const start = (): void => {
    for (const name of readdirSync(cli.path('.'))) if (/^\.?(?:result|device)/.test(name)) rmSync(cli.path(name));
    copyFileSync(cli.path('old.img'), cli.path('device'));
  };

  test(`killed ${KILLS} times, anywhere`, async () => {
    start();
    const begin = Date.now();
    expect(await cli.run(args)).toMatchObject({ status: 0 });
    const whole = Date.now() - begin;
    start();
    for (let i = 0; i < KILLS; i++) {
      const child = cli.start(args);
      const ended = finished(child);
      await sleep(whole * (0.3 + 0.7 * ((i * 0.618033988749895) % 1)));
      child.kill('SIGKILL');
      await ended;
      if (result === 'result' ? existsSync(cli.path(result)) : bytes(result).equals(bytes(expected))) {
        expect(bytes(result).equals(bytes(expected))).toBe(true); // it was quicker
        start();
      }
    }
    expect(await cli.run(args)).toMatchObject({ status: 0 });
    expect(bytes(result).equals(bytes(expected))).toBe(true);
    expect(readdirSync(cli.path('.')).filter((name) => /^\.(?:result|device)/.test(name))).toEqual([]);
  });

  test('no room: it says so, and goes on when there is some', async () => {
    start();
    // A limit on the size of files fails the same writes as a full disk.
    const limited = spawnSync('bash', ['-c', `trap '' XFSZ; ulimit -f 4000; exec ${process.execPath} ${program} ${args.join(' ')}`], { cwd: cli.path('.'), encoding: 'utf8' });
    if (result === 'result') {
      expect([limited.status, limited.stderr]).toEqual([7, expect.stringContaining('NO_SPACE')]);
      expect(existsSync(cli.path(result))).toBe(false);
    } else expect(bytes('device').equals(bytes('old.img')) || readdirSync(cli.path('.')).includes('.device.journal')).toBe(true);
    expect(await cli.run(args)).toMatchObject({ status: 0 });
    expect(bytes(result).equals(bytes(expected))).toBe(true);
  });
});
