import { describe, expect, test } from '@jest/globals';
import { formatDump, parseDump } from '../../../src/tree/dump.js';
import { applyFilters } from '../../../src/tree/filters.js';
import type { TreeFilters } from '../../../src/tree/filters.js';

const text = `/ directory 0755 0 0 100.000000001 - - - -
/a file 0644 1 2 99.999999999 0 - - -
/b hardlink - - - - - - /a -
/c directory 0755 3 4 2000.000000000 - - - -
/c/a symlink 0777 5 6 -5.500000000 - - target -
`;

function filtered(filters: TreeFilters): string {
  const root = parseDump(text);
  applyFilters(root, filters);
  return formatDump(root);
}

describe('filters', () => {
  test('none changes nothing', () => {
    expect(filtered({})).toBe(text);
  });

  test('exclude: a name anywhere; its other names stay', () => {
    expect(filtered({ exclude: ['a'] })).toBe(`${text.split('\n')[0]!}\n/b file 0644 1 2 99.999999999 0 - - -\n${text.split('\n')[3]!}\n`);
  });

  test('exclude: a directory goes with what it holds', () => {
    expect(filtered({ exclude: ['nothing', 'c/'] })).toBe(`${text.split('\n').slice(0, 3).join('\n')}\n`);
  });

  test('owner: every entry, links and the root too', () => {
    expect(filtered({ owner: { uid: 7, gid: 8 } }).match(/ 7 8 /g)).toHaveLength(4);
  });

  test('clampMtime: only what is later, to the nanosecond', () => {
    const times = filtered({ clampMtime: 100 }).match(/-?\d+\.\d{9}/g);
    expect(times).toEqual(['100.000000000', '99.999999999', '100.000000000', '-5.500000000']);
  });

  test('a bad pattern is refused', () => {
    expect(() => filtered({ exclude: ['ok', '['] })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});
