/** Runs every program of examples/ the way its first lines say. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cli, finished, type CliResult } from '../helpers/cli.js';
import { noise } from '../helpers/make-tree.js';
import { withRangeServer } from '../helpers/range-server.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree/etc'), { recursive: true });
  writeFileSync(cli.path('tree/etc/hello'), 'hello\n');
  writeFileSync(cli.path('tree/large'), noise(5_000_000, 1));
  await cli.json(['key', 'generate', '-o', 'ci.pem']);
  await cli.json(['build', 'tree', '-o', 'app.img.zst', '--key', 'ci.pem']);
});
afterAll(() => cli.remove());

const example = (name: string, ...args: string[]): Promise<CliResult> =>
  finished(spawn(process.execPath, [resolve(`dist/examples/${name}.js`), ...args], { cwd: cli.folder }));

test('01-build-and-verify', async () => {
  const { status, stdout, stderr } = await example('01-build-and-verify', 'tree', 'new.img.zst');
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^new\.img\.zst: \d+ bytes became \d+, root hash [0-9a-f]{64}\nverified: \d+ names, signed by [0-9a-f]{64}\n$/);
});

test('02-read-remote-file', async () => {
  const bytes = readFileSync(cli.path('app.img.zst'));
  await withRangeServer(bytes, {}, async ({ url }) => {
    const { status, stdout, stderr } = await example('02-read-remote-file', url, 'ci.pub', '/etc/hello');
    expect([status, stdout]).toEqual([0, 'hello\n']);
    const [, fetched] = /requests, (\d+) bytes/.exec(stderr)!;
    expect(Number(fetched)).toBeLessThan(bytes.length / 4);
  });
});

test('03-inspect', async () => {
  const { status, stdout } = await example('03-inspect', 'app.img.zst');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^image, sequence 0: \d+ bytes in \d+, 1 signatures\n/);
  expect(stdout).toMatch(/^file 5000000 \/large$/m);
});

test('each is run here', () => {
  expect(readdirSync('examples').filter((name) => name.endsWith('.ts')).sort()).toEqual(['01-build-and-verify.ts', '02-read-remote-file.ts', '03-inspect.ts', 'demo.ts']);
});
