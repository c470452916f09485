/** Is it text? A guess from one byte in 61: enough to choose how to compress, and nothing else hangs on it. */

/** A prime, so that records of any even length are not always met at the same place. */
const STRIDE = 61;
const TEXT_SHARE = 0.95;

/** @returns whether nearly all bytes that are not zero (the padding behind small files) are printable ASCII or white space */
export function isText(bytes: Uint8Array): boolean {
  let [text, seen] = [0, 0];
  for (let at = STRIDE >> 1; at < bytes.length; at += STRIDE) {
    const byte = bytes[at]!;
    if (byte === 0) continue;
    seen++;
    if (byte >= 0x20 ? byte < 0x7f : byte >= 0x09 && byte <= 0x0d) text++;
  }
  return seen > 0 && text >= TEXT_SHARE * seen;
}
