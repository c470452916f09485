/** The shapes of a refusal: every one names the record, the field and the byte offset in the image. */
import { ThawfsError, type ErrorCode } from '../../errors.js';

/** Where a field was read: record as in the specification, its place (`inode 12`), byte offset in the image. */
export interface Place {
  readonly record: string;
  readonly offset: number;
}

/**
 * @param problem what is wrong, after the field: `is 9, at most 5 is possible`
 * @returns BAD_FIELD, for throwing
 */
export function badField(place: Place, field: string, problem: string): ThawfsError {
  return fault('BAD_FIELD', place, field, problem);
}

/** @returns CHECKSUM_MISMATCH, for throwing; both sums as they are stored */
export function badChecksum(place: Place, stored: number, computed: number): ThawfsError {
  return fault('CHECKSUM_MISMATCH', place, 'checksum', `is ${hex(stored)}, the bytes give ${hex(computed)}`);
}

/** @returns LIMIT_EXCEEDED, for throwing */
export function beyondLimit(place: Place, field: string, problem: string): ThawfsError {
  return fault('LIMIT_EXCEEDED', place, field, problem);
}

/**
 * @param feature name as mke2fs(8) knows it, or the bit when it has none
 * @returns FEATURE_UNSUPPORTED, for throwing
 */
export function unsupported(feature: string, why: string, suggestion: string): ThawfsError {
  return new ThawfsError('FEATURE_UNSUPPORTED', `ext4 feature ${feature}: ${why}`, { detail: { feature }, suggestion });
}

function fault(code: ErrorCode, place: Place, field: string, problem: string): ThawfsError {
  return new ThawfsError(code, `${place.record} (byte ${place.offset}): ${field} ${problem}`, { detail: { record: place.record, field, offset: place.offset } });
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
