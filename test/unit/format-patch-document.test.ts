/** Holds docs/format-patch.md against the code: records, constants, limits, operations. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import type { Struct } from '../../src/bytes/struct.js';
import { HEAD_MAX_SIZE } from '../../src/format/container.js';
import * as patch from '../../src/format/patch.js';
import { byteMap } from '../helpers/byte-map.js';
import { markdownTables } from '../helpers/markdown-tables.js';

const document = readFileSync('docs/format-patch.md', 'utf8');
const tables = (...header: string[]): string[][][] => markdownTables(document, ...header);
const records = [patch.patchHeader, patch.batchHeader, patch.journalHeader, patch.journalRecord] as Struct<never>[] as Struct<unknown>[];

test('every table has the fields of its record, and what they mean', () => {
  const meaning = (note: string | undefined, field: string): string => note !== undefined && note !== '' ? note : field.startsWith('pad') ? 'zeros' : 'bytes';
  expect(tables('offset', 'size', 'field', 'meaning')).toEqual(
    records.map(({ rows }) => rows.map(([offset, name, { size }, note]) => [String(offset), String(size), name, meaning(note, name)])),
  );
});

test('the map of a batch', () => {
  expect(document).toContain(byteMap(patch.batchHeader as Struct<never> as Struct<unknown>).map((line) => `    ${line}\n`).join(''));
});

test('constants', () => {
  const rows = tables('name', 'value', 'meaning')[0]!;
  expect(rows.map(([name]) => name)).toEqual(['PATCH_MAGIC', 'PATCH_VERSION', 'DIFFERENCE_SIZE', 'OPERATION_KIND_COUNT', 'JOURNAL_MAGIC']);
  for (const [name, value] of rows) {
    const actual = patch[name as keyof typeof patch] as unknown;
    expect([name, actual instanceof Uint8Array ? Buffer.from(actual).toString('hex') : actual]).toEqual([name, value!.includes(' ') ? value!.replaceAll(' ', '') : Number(value)]);
  }
});

test('limits', () => {
  const limits = { ...patch.PATCH_LIMITS, head: HEAD_MAX_SIZE };
  expect(tables('limit', 'value', 'of')[0]!.map(([name, value]) => [name, value])).toEqual(Object.entries(limits).map(([name, value]) => [name, value.toLocaleString('en')]));
});

test('operations', () => {
  expect(tables('kind', 'name', 'makes')[0]!.map(([kind, name]) => [name, Number(kind)])).toEqual(Object.entries(patch.PATCH_OPERATIONS));
});
