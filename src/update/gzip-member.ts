/** gzip files (RFC 1952) of one member, as `gzip -9` writes them. */
import { crc32, inflateRawSync } from 'node:zlib';
import type { GzipNine } from '../codec/deflate/gzip-nine.js';
import { PATCH_LIMITS } from '../format/patch.js';

/** CRC-32 and size of the content. */
export const TRAILER_SIZE = 8;
const HEADER_SIZE = 10;
const FLAG_NAME = 8;
/** Of the byte that says how: as well as it could. */
const SLOWEST = 2;

export interface GzipMember {
  /** Bytes before the deflate stream. */
  readonly headerSize: number;
  readonly content: Uint8Array;
}

/** @param start the first bytes of a file. @returns whether it may be one */
export function looksLikeGzipNine(start: Uint8Array): boolean {
  return start.length >= HEADER_SIZE && start[0] === 0x1f && start[1] === 0x8b && start[2] === 8 && (start[3]! & ~FLAG_NAME) === 0 && start[8] === SLOWEST;
}

/** @param file all of it. @returns undefined for what is none, and for contents of nothing or of more than a patch opens */
export function readGzipMember(file: Uint8Array): GzipMember | undefined {
  if (!looksLikeGzipNine(file)) return undefined;
  const headerSize = file[3] === FLAG_NAME ? file.indexOf(0, HEADER_SIZE) + 1 : HEADER_SIZE;
  if (headerSize === 0 || headerSize + TRAILER_SIZE >= file.length) return undefined;
  try {
    const content = inflateRawSync(file.subarray(headerSize, -TRAILER_SIZE), { maxOutputLength: PATCH_LIMITS.content });
    return content.length === 0 ? undefined : { headerSize, content };
  } catch {
    return undefined; // damaged, or too large: it is data like any other
  }
}

/** @returns what follows the header: the deflate stream, and the trailer */
export function packGzipNine(compressor: GzipNine, content: Uint8Array): Buffer {
  const trailer = Buffer.alloc(TRAILER_SIZE);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return Buffer.concat([compressor.compress(content), trailer]);
}
