import { expect, test } from '@jest/globals';
import { bySimilarity } from '../../../src/ext4/writer/data-order.js';
import { file } from '../../helpers/nodes.js';

function ordered(...names: string[]): string[] {
  return [...bySimilarity(names.map((name) => ({ name, node: file() })))].map((place) => `${names[place]!}${place}`);
}

test('by extension, then place in the tree', () => {
  expect(ordered('b.js', 'a.ts', 'index.js', 'a.js', 'index.js')).toEqual(['b.js0', 'index.js2', 'a.js3', 'index.js4', 'a.ts1']);
});

test('version numbers are no extensions; neither is a leading dot', () => {
  expect(ordered('libz.so.1.2.13', 'x.conf', '.profile', 'liba.so', 'README', 'perl5.36', 'libm.so.6', '.hidden.so'))
    .toEqual(['.profile2', 'README4', 'perl5.365', 'x.conf1', 'libz.so.1.2.130', 'liba.so3', 'libm.so.66', '.hidden.so7']);
});

test('every file has its place', () => {
  const names = Array.from({ length: 500 }, (_, i) => `${i * 7919 % 500}.e${i % 13}`);
  expect([...bySimilarity(names.map((name) => ({ name, node: file() })))].sort((a, b) => a - b)).toEqual(names.map((_, i) => i));
});
