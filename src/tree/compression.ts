/** What an archive is compressed with, told by its first bytes: names lie. */
import { addAbortSignal, pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createZstdDecompress } from '../codec/stream.js';
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAGIC, headHeader } from '../format/container.js';
import { streamError } from './feeds.js';

export type Compression = 'none' | 'gzip' | 'zstd';

/** Bytes that {@link sniffCompression} needs, where there are so many. */
export const SNIFF_BYTES = 16;

const HEAD_MAGIC_OFFSET = headHeader.offsetOf('magic');

const foreign: readonly (readonly [magic: string, name: string, command: string])[] = [
  ['425a68', 'bzip2', 'bzcat'], ['fd377a585a00', 'xz', 'xzcat'], ['04224d18', 'lz4', 'lz4cat'], ['4c5a4950', 'lzip', 'lzip -dc'], ['1f9d', 'compress', 'zcat'],
];

/**
 * @param start the first bytes of the archive
 * @param label names the archive in messages
 * @throws FEATURE_UNSUPPORTED with the command to pipe it through; BAD_ARGUMENT for an image of ours, which is a zstd file
 */
export function sniffCompression(start: Uint8Array, label: string): Compression {
  const hex = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, SNIFF_BYTES)).toString('hex');
  if (hex.startsWith('1f8b')) return 'gzip';
  if (hex.slice(2 * HEAD_MAGIC_OFFSET) === toHex(HEAD_MAGIC)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label} is an image of thawfs already`, {
      detail: { path: label }, suggestion: 'Extract it, and build from the directory; or unpack it, and build ext4:RAW, which keeps its bytes.',
    });
  }
  // A frame, or a skippable frame before it (RFC 8878 section 3.1).
  if (hex.startsWith('28b52ffd') || /^5.2a4d18/.test(hex)) return 'zstd';
  for (const [magic, name, command] of foreign) {
    if (!hex.startsWith(magic)) continue;
    throw new ThawfsError('FEATURE_UNSUPPORTED', `${label}: compressed with ${name}, which is not read`, {
      detail: { compression: name }, suggestion: `Pipe it: ${command} FILE | thawfs build - -o IMAGE.img.zst`,
    });
  }
  return 'none';
}

/** @returns the decompressed stream; a failure of `stream` appears on it, and destroying it destroys `stream`. */
export function decompress(stream: Readable, compression: Compression): Readable {
  if (compression === 'none') return stream;
  const transform = compression === 'gzip' ? createGunzip() : createZstdDecompress();
  pipeline(stream, transform, () => undefined); // Errors arrive at whoever reads the transform.
  return transform;
}

/**
 * @returns the first bytes of a stream, and a stream that still has them
 * @throws what goes wrong with the stream, with its code; the reason of `signal`
 */
export async function peek(stream: Readable, label: string, signal?: AbortSignal): Promise<{ start: Uint8Array; stream: Readable }> {
  if (signal !== undefined) addAbortSignal(signal, stream);
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterableIterator<Uint8Array>;
  let start = Buffer.alloc(0);
  try {
    while (start.length < SNIFF_BYTES) {
      const next = await chunks.next();
      if (next.done === true) break;
      start = Buffer.concat([start, next.value]);
    }
  } catch (error) {
    throw streamError(error, label, signal);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    if (start.length > 0) yield start;
    yield* chunks;
  }
  return { start, stream: Readable.from(all(), { objectMode: false }) };
}
