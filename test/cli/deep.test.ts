/** `verify --deep` of what `build` makes: the independent reader takes every kind of it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cli } from '../helpers/cli.js';
import { makeTree, noise } from '../helpers/make-tree.js';

let cli: Cli;
beforeAll(() => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  makeTree(cli.path('tree'));
  for (const name of ['one', 'same']) writeFileSync(cli.path(`tree/${name}`), noise(100_000, 1));
});
afterAll(() => cli.remove());

test.each([['files that share blocks'], ['fs-verity files', '--fs-verity'], ['a journal', '--journal']])('%s', async (_what, ...flags) => {
  await cli.json(['build', 'tree', '-o', 'app.img', ...flags]);
  const { comparedNames } = await cli.json<{ comparedNames: number }>(['verify', 'app.img', '--deep', '--allow-unsigned']);
  expect(comparedNames).toBe((await cli.run(['dump', 'app.img', '--allow-unsigned'])).stdout.trimEnd().split('\n').length);
});
