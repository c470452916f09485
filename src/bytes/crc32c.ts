/** CRC-32C (Castagnoli), the checksum of ext4 metadata: polynomial 0x1EDC6F41 reflected, eight bytes a step. */

const POLYNOMIAL = 0x82f63b78;

// tables[0..7] side by side in one array: table k holds the crc of a byte followed by k zero bytes.
const tables = new Uint32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  tables[byte] = crc;
}
for (let byte = 0; byte < 256; byte++) {
  for (let k = 1; k < 8; k++) {
    const previous = tables[(k - 1) * 256 + byte]!;
    tables[k * 256 + byte] = (previous >>> 8) ^ tables[previous & 255]!;
  }
}

/**
 * The raw form that ext4 stores: no inversion before or after, so results chain.
 *
 * @param seed the crc so far; ext4 starts from 0xffffffff (`~0`)
 * @returns the crc as an unsigned number; about 1 GB/s
 */
export function crc32c(seed: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = seed | 0;
  let at = start;
  for (const stop = end - 7; at < stop; at += 8) {
    const low = crc ^ (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24);
    crc = tables[1792 + (low & 255)]! ^ tables[1536 + (low >>> 8 & 255)]! ^ tables[1280 + (low >>> 16 & 255)]! ^ tables[1024 + (low >>> 24)]!
      ^ tables[768 + bytes[at + 4]!]! ^ tables[512 + bytes[at + 5]!]! ^ tables[256 + bytes[at + 6]!]! ^ tables[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ tables[(crc ^ bytes[at]!) & 255]!;
  return crc >>> 0;
}
