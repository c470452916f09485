/** Extended headers of POSIX.1-2001 (pax): records `LENGTH KEY=VALUE\n`, values kept as the bytes they are. */
import type { ByteString } from '../../bytes/byte-string.js';
import { display } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';

export type PaxRecord = readonly [key: ByteString, value: ByteString];

/**
 * @param text the header's data as a byte string
 * @returns records in their order: GNU's sparse format 0.0 repeats keys
 * @throws BAD_FIELD when a length does not fit or a record is not of that form
 */
export function parsePax(text: ByteString): PaxRecord[] {
  const records: PaxRecord[] = [];
  for (let at = 0; at < text.length;) {
    const blank = text.indexOf(' ', at);
    const digits = blank < 0 ? '' : text.slice(at, blank);
    const length = /^[1-9]\d{0,7}$/.test(digits) ? Number(digits) : NaN;
    const end = at + length;
    const equals = text.indexOf('=', blank);
    // A record holds at least its length, a blank, one character of key, the sign and the newline.
    if (!(end <= text.length) || text[end - 1] !== '\n' || equals <= blank + 1 || equals >= end - 1) {
      throw new ThawfsError('BAD_FIELD', `pax header: record at byte ${at} is not "LENGTH KEY=VALUE"`, { detail: { record: 'pax header', offset: at } });
    }
    records.push([text.slice(blank + 1, equals), text.slice(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/**
 * Applies records to what is known; an empty value takes the key back (POSIX: "the header field is used").
 *
 * @returns `known` with the records over it; keys are unique here, the last wins
 */
export function overlayPax(known: ReadonlyMap<ByteString, ByteString>, records: readonly PaxRecord[]): Map<ByteString, ByteString> {
  const result = new Map(known);
  for (const [key, value] of records) {
    if (value === '' && !isAttribute(key)) result.delete(key);
    else result.set(key, value);
  }
  return result;
}

/** Extended attributes may be empty. */
function isAttribute(key: ByteString): boolean {
  return key.startsWith('SCHILY.xattr.') || key.startsWith('LIBARCHIVE.xattr.');
}

function wrong(key: string, value: ByteString): ThawfsError {
  return new ThawfsError('BAD_FIELD', `pax header: ${key} cannot be "${display(value.slice(0, 80))}"`, { detail: { record: 'pax header', field: key } });
}

/** @throws BAD_FIELD when it is not a decimal number of 0..2^53-1 */
export function paxNumber(key: string, value: ByteString): number {
  const number = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number)) throw wrong(key, value);
  return number;
}

/**
 * A decimal fraction of seconds. Counted forward: -1.5 is second -2 and 500,000,000 ns; digits past the ninth go towards the past.
 *
 * @throws BAD_FIELD
 */
export function paxTime(key: string, value: ByteString): { seconds: number; nanoseconds: number } {
  const match = /^(-?)(\d{1,15})(?:\.(\d{0,32}))?$/.exec(value);
  if (match === null) throw wrong(key, value);
  const [, sign, whole, fraction = ''] = match;
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'));
  if (sign === '') return { seconds: Number(whole), nanoseconds };
  const behind = nanoseconds + (/[1-9]/.test(fraction.slice(9)) ? 1 : 0);
  return behind === 0 ? { seconds: 0 - Number(whole), nanoseconds: 0 } : { seconds: -Number(whole) - 1, nanoseconds: 1_000_000_000 - behind };
}
