/** CRC-16 (polynomial 0x8005 reflected), the checksum of group descriptors with uninit_bg. */

const POLYNOMIAL = 0xa001;

/**
 * The form without inversion, so results chain.
 *
 * @param seed the crc so far; ext4 starts from 0xffff (`~0`)
 */
export function crc16(seed: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let crc = seed;
  for (let at = start; at < end; at++) {
    crc ^= bytes[at]!;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  }
  return crc;
}
