import { expect, test } from '@jest/globals';
import { entryCells, modeText } from '../../../src/cli/entry-line.js';
import { exactSize, fields, percent, table, utc } from '../../../src/cli/report.js';

test('table aligns, numbers to the right, the last column unpadded', () => {
  expect(table([['a', '1', 'x'], ['long', '100', 'yy']], [1])).toBe('a       1  x\nlong  100  yy');
});

test('fields leaves out what has no value', () => expect(fields([['name', 'x'], ['label', undefined], ['files', 0]])).toBe('name   x\nfiles  0'));
test('exactSize', () => expect([999, 1500000].map(exactSize)).toEqual(['999 bytes', '1.50 MB (1500000 bytes)']));
test('percent', () => expect([percent(1, 3), percent(0, 0)]).toEqual(['33.3 %', '0 %']));

test('utc, before 1970 and beyond what dates can hold', () => {
  expect([0, -1, 2 ** 33, 1e15].map(utc)).toEqual(['1970-01-01 00:00:00', '1969-12-31 23:59:59', '2242-03-16 12:56:32', '@1000000000000000']);
});

test.each([
  ['file', 0o644, '-rw-r--r--'], ['directory', 0o1777, 'drwxrwxrwt'], ['file', 0o4755, '-rwsr-xr-x'], ['file', 0o6644, '-rwSr-Sr--'], ['symlink', 0o777, 'lrwxrwxrwx'],
  ['character-device', 0o620, 'crw--w----'], ['socket', 0o1000, 's--------T'],
] as const)('modeText %s %o', (kind, permissions, text) => expect(modeText(kind, permissions)).toBe(text));

test('entryCells of a device and a symlink', () => {
  const entry = { path: '/x', inode: 12, permissions: 0o600, links: 1, uid: 0, gid: 5, size: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 };
  expect(entryCells({ ...entry, kind: 'block-device', device: { major: 8, minor: 1 } })).toEqual(['brw-------', '1', '0', '5', '8, 1', '1970-01-01 00:00:00', '/x']);
  expect(entryCells({ ...entry, kind: 'symlink', target: '../y', size: 4 }).slice(4)).toEqual(['4', '1970-01-01 00:00:00', '/x -> ../y']);
});
