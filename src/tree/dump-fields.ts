/** Fields of a dump line: printable ASCII without blanks. */
import type { ByteString } from '../bytes/byte-string.js';

/** Stands for a field that a kind does not have. */
export const ABSENT = '-';

/** @returns the bytes with everything but `!`..`~` written `\xHH`; backslash is escaped too, and a value that would read as absent. */
export function escapeField(value: ByteString): string {
  if (value === ABSENT) return '\\x2d';
  return value.replace(/[^!-[\]-~]/g, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** @returns the bytes, or undefined when the text is not what {@link escapeField} writes. */
export function unescapeField(text: string): ByteString | undefined {
  if (!/^(?:[!-[\]-~]|\\x[0-9a-f]{2})*$/.test(text)) return undefined;
  return text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

/** @returns seconds and nanoseconds as `-2.500000000`, which is half a second after second -2. */
export function formatTime(seconds: number, nanoseconds: number): string {
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}`;
}
