/** UUIDs as text (RFC 9562 section 4): 8-4-4-4-12 lowercase hexadecimal digits. */
import { ThawfsError } from '../errors.js';
import { toHex } from './hex.js';

/** @param bytes sixteen */
export function formatUuid(bytes: Uint8Array): string {
  return toHex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * @param label what is being parsed, for the message, for example `--uuid`
 * @returns sixteen bytes; the caller owns them
 * @throws BAD_ARGUMENT when it is not a UUID
 */
export function parseUuid(text: string, label: string): Uint8Array {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not a UUID`, {
      detail: { label, value: text }, suggestion: 'Write it as 01234567-89ab-cdef-0123-456789abcdef.',
    });
  }
  return new Uint8Array(Buffer.from(text.replaceAll('-', ''), 'hex'));
}
