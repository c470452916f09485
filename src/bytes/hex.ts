/** Lowercase hexadecimal. */
import { ThawfsError } from '../errors.js';

/** @returns two lowercase digits per byte. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/**
 * @param label what is being parsed, for the message, for example `--salt`
 * @returns the bytes; the caller owns them
 * @throws BAD_ARGUMENT for an odd count or anything that is not a hex digit
 */
export function parseHex(text: string, label: string): Uint8Array {
  if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not hexadecimal`, {
      detail: { label, value: text }, suggestion: 'Write an even number of the digits 0-9 and a-f.',
    });
  }
  return new Uint8Array(Buffer.from(text, 'hex'));
}
