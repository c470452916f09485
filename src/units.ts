/** Sizes in bytes, and the texts people use for them. */
import { ThawfsError } from './errors.js';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;

/** The unit of ext4 (as we write it), dm-verity and fs-verity: one leaf digest covers one block. */
export const BLOCK_SIZE = 4096;

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1, K: KiB, M: MiB, G: GiB, T: 1024 * GiB, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12,
};

/**
 * Parses `64K`, `1.5G`, `10MB` or plain bytes (`K` = 1024, `KB` = 1000; `KiB` is the same as `K`).
 *
 * @param label what is being parsed, for the message, for example `--chunk-size`
 * @throws BAD_ARGUMENT when it is not a size
 */
export function parseSize(text: string, label: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(iB|B)?$/i.exec(text.trim());
  const unit = match && (match[2] ?? '').toUpperCase() + (match[3]?.toUpperCase() === 'B' && match[2] ? 'B' : '');
  const factor = unit === null ? undefined : sizeUnits[unit];
  const bytes = factor === undefined ? NaN : Number(match?.[1]) * factor;
  if (!Number.isSafeInteger(bytes)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not a size`, {
      detail: { label, value: text }, suggestion: 'Write a size such as 65536, 64K or 1.5G.',
    });
  }
  return bytes;
}

/** @returns `bytes` for people: `1.5 GB`, three significant digits, decimal units as storage is sold. */
export function formatSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  let value = bytes;
  while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit++; }
  return `${unit === 0 ? value : value.toPrecision(3)} ${units[unit]}`;
}

/** @returns the smallest multiple of `unit` that is at least `value`; any unit, any size up to 2^53-1. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
