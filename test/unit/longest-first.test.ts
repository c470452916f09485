import { existsSync } from 'node:fs';
import { expect, test } from '@jest/globals';

interface Suite { readonly path: string; readonly context: unknown }
interface Sequencing { readonly long: readonly string[]; readonly default: new () => { sort(suites: readonly Suite[]): Suite[] } }

test('long suites come first, longest first; what is called long is there', async () => {
  const { long, default: LongestFirst } = await import(new URL('../../../test/longest-first.mjs', import.meta.url).href) as Sequencing;
  expect(long.filter((name) => !existsSync(`test/${name}.test.ts`))).toEqual([]);
  const suites = ['unit/floors', ...[...long].reverse(), 'unit/errors'].map((name) => ({ path: `/dist/test/${name}.test.js`, context: { config: { id: '', cacheDirectory: '/nowhere' }, hasteFS: { getSize: () => 1 } } }));
  expect(new LongestFirst().sort(suites).slice(0, long.length).map(({ path }) => path)).toEqual(long.map((name) => `/dist/test/${name}.test.js`));
});
