/** Results for people: aligned columns, sizes, times. */
import { formatSize } from '../units.js';

/**
 * @param rows cells; columns are as wide as their widest cell, the last one is not padded
 * @param right columns aligned to the right, by number
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, column) => widths[column] = Math.max(widths[column] ?? 0, cell.length));
  return rows.map((row) => row.map((cell, column) => {
    if (right.includes(column)) return cell.padStart(widths[column]!);
    return column === row.length - 1 ? cell : cell.padEnd(widths[column]!);
  }).join('  ')).join('\n');
}

/** @returns `name  value` lines; a pair without a value is left out. */
export function fields(pairs: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  return table(pairs.flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)]]));
}

/** @returns `1.50 GB (1500000000 bytes)`; small sizes without the bytes. */
export function exactSize(bytes: number): string {
  return bytes < 1000 ? `${bytes} bytes` : `${formatSize(bytes)} (${bytes} bytes)`;
}

/** @returns what share `part` is of `whole`: `38.2 %`. */
export function percent(part: number, whole: number): string {
  return whole === 0 ? '0 %' : `${(part / whole * 100).toPrecision(3)} %`;
}

/** @returns seconds since 1970 as UTC, `2030-01-31 12:00:00`; the same everywhere. */
export function utc(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `@${seconds}` : date.toISOString().replace('T', ' ').replace(/\.\d+Z$/, '');
}
