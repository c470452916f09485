/**
 * Byte strings: names and paths as the file system has them, one JavaScript character (U+0000-U+00FF) per byte.
 *
 * File names are bytes, not text. Held this way they are compact, compare with `<` in byte order, work as map keys,
 * and a name that is not UTF-8 survives. Convert at the edge: {@link toBytes} for system calls, {@link display} for people.
 */
export type ByteString = string;

/** @returns the bytes of `value`; the caller owns them. */
export function toBytes(value: ByteString): Buffer {
  return Buffer.from(value, 'latin1');
}

/** @returns `bytes` as a byte string. */
export function fromBytes(bytes: Uint8Array): ByteString {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** @returns the byte string of a text's UTF-8 form, for arguments typed by people. */
export function fromText(text: string): ByteString {
  // eslint-disable-next-line no-control-regex -- pure ASCII is already its own byte string
  return /^[\x00-\x7f]*$/.test(text) ? text : fromBytes(Buffer.from(text, 'utf8'));
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** @returns text for people: UTF-8 where it is valid, else `\xHH` for the bytes beyond ASCII; control characters escaped. */
export function display(value: ByteString): string {
  let text: string;
  try {
    text = strictUtf8.decode(toBytes(value));
  } catch {
    text = value.replace(/[\x80-\xff]/g, escapeByte);
  }
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must not reach a terminal
  return text.replace(/[\x00-\x1f\x7f]/g, escapeByte);
}

/**
 * The way back from {@link display}, for paths that people copy from a listing: `\xHH` is a byte where `display` writes one so; a backslash
 * itself, where it is followed by something that looks so, is `\x5c`. Everything else as {@link fromText}.
 */
export function fromDisplayed(text: string): ByteString {
  return fromText(text).replace(/\\x([01][0-9a-f]|5c|7f|[89a-f][0-9a-f])/gi, (_, digits: string) => String.fromCharCode(parseInt(digits, 16)));
}

function escapeByte(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
}
