import { spawnSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { compileGlob } from '../../../src/tree/glob.js';

/** pattern, paths that match, paths that do not; a path that ends in a slash is a directory. */
const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['*.o', ['a.o', 'deep/in/b.o', '.o'], ['a.os', 'a.o/inside']],
  ['cache', ['cache', 'var/cache', 'var/cache/'], ['cached', 'cache/x']],
  ['cache/', ['cache/', 'var/cache/'], ['cache', 'var/cache']],
  ['/tmp', ['tmp', 'tmp/'], ['var/tmp']],
  ['var/log/*', ['var/log/a', 'var/log/d/'], ['var/log', 'var/log/a/b', 'x/var/log/a']],
  ['/var/**', ['var/a', 'var/a/b/c'], ['var', 'vara']],
  ['**/x', ['x', 'a/x', 'a/b/x'], ['xa', 'a/x/b']],
  ['a/**/z', ['a/z', 'a/b/z', 'a/b/z/c/z'], ['a/b', 'z', 'b/a/z']],
  ['a/**/b/**/c', ['a/b/c', 'a/1/b/2/3/c', 'a/b/b/c/c'], ['a/c', 'a/b/cc']],
  ['a?c', ['abc', 'a-c'], ['ac', 'abbc', 'a/c']],
  ['a?c', ['aéc', 'a€c'], ['aééc']],
  ['[a-c]x', ['ax', 'cx'], ['dx', 'x', '-x']],
  ['[!a-c]x', ['dx', '!x'], ['ax']],
  ['[]-]', [']', '-'], ['a']],
  ['[a-]', ['a', '-'], ['b']],
  ['\\*', ['*'], ['a', '\\*']],
  ['\\!important', ['!important'], ['important']],
  ['*a*b*c*', ['abc', 'xxaxxbxxcxx'], ['acb', 'ab']],
  ['***', ['anything'], []],
  ['été', ['été', 'x/été'], ['ete']],
];

describe('globs', () => {
  test.each(cases)('%s', (pattern, matching, other) => {
    const matches = compileGlob(pattern);
    const ask = (path: string): boolean => matches(fromText(path.replace(/\/$/, '')), path.endsWith('/'));
    expect(matching.filter((path) => !ask(path))).toEqual([]);
    expect(other.filter(ask)).toEqual([]);
  });

  test('many stars take no exponential time', () => {
    // In a process of its own, which can be ended: exponential time is for ever.
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', `
      import { compileGlob } from '${new URL('../../../src/tree/glob.js', import.meta.url).href}';
      console.log(compileGlob('*a'.repeat(100) + 'b')('a'.repeat(4000), false));
      console.log(compileGlob('**/a/'.repeat(50) + 'b')('a/'.repeat(2000) + 'c', false));`], { encoding: 'utf8', timeout: 100_000 });
    expect(stdout).toBe('false\nfalse\n');
  });

  test.each(['', '/', '//', '!x', '[a', '[]', 'a\\'])('refuses "%s"', (pattern) => {
    expect(() => compileGlob(pattern)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});
