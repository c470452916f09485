/** Draws a record the way docs/format.md shows it: sixteen bytes a row. */
import type { Struct } from '../../src/bytes/struct.js';

const COLUMNS_PER_WORD = 18;

/** @param record fields must not cross a row, and begin and end at multiples of four */
export function byteMap(record: Struct<unknown>): string[] {
  const rows: string[] = [];
  for (const [offset, name, { size }] of record.rows) {
    const row = offset >> 4;
    rows[row] ??= `0x${(row << 4).toString(16).padStart(2, '0')}  `;
    rows[row] += `| ${name}`.padEnd(size / 4 * COLUMNS_PER_WORD);
  }
  return rows.map((row) => `${row}|`);
}
