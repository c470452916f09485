/** zstd of node:zlib (Node >= 22.15). One-shot calls create a context each: slower than libzstd through FFI on small chunks. */
import * as zlib from 'node:zlib';
import { ThawfsError } from '../errors.js';
import type { Codec } from './codec.js';
import { checkChunkFrame } from './frame.js';
import { levelParameters, parameterNumbers, tuned, type LevelParameters } from './levels.js';

/** The part that the type declarations of Node 20 do not know. */
export interface NodeZstd {
  zstdCompressSync(source: Uint8Array, options: { chunkSize: number; params: Record<number, number> }): Buffer;
  zstdDecompressSync(frame: Uint8Array, options: { chunkSize: number; maxOutputLength: number }): Buffer;
  createZstdDecompress(): zlib.BrotliDecompress;
}

/** @returns undefined before Node 22.15 */
export function nodeZstd(): NodeZstd | undefined {
  const candidate = zlib as unknown as Partial<NodeZstd>;
  return candidate.zstdCompressSync === undefined ? undefined : candidate as NodeZstd;
}

/** @returns undefined before Node 22.15 */
export function openNodeCodec(): Codec | undefined {
  const zstd = nodeZstd();
  if (zstd === undefined) return undefined;
  return {
    implementation: tuned(`node:zlib zstd ${(process.versions as NodeJS.ProcessVersions & { zstd?: string }).zstd ?? process.version}`),
    compress(source, target, level) {
      // The whole input comes with the end mark, so zstd writes the content size into the header.
      const frame = zstd.zstdCompressSync(source, { chunkSize: bound(source.length), params: numbered(levelParameters(level, source)) });
      if (frame.length > target.length) throw failed('the target is too small');
      target.set(frame);
      return frame.length;
    },
    decompress(frame, target) {
      checkChunkFrame(frame, target.length);
      let bytes: Buffer;
      try {
        bytes = zstd.zstdDecompressSync(frame, { chunkSize: Math.max(64, target.length), maxOutputLength: target.length });
      } catch (cause) {
        throw failed('the data is damaged', cause);
      }
      if (bytes.length !== target.length) throw failed('the data is damaged');
      target.set(bytes);
    },
    bound,
  };
}

/** ZSTD_COMPRESSBOUND of zstd.h. */
function bound(size: number): number {
  const smallSurplus = 128 * 1024;
  return size + (size >> 8) + (size < smallSurplus ? (smallSurplus - size) >> 11 : 0);
}

function numbered(parameters: LevelParameters): Record<number, number> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [parameterNumbers[name as keyof typeof parameterNumbers], value]));
}

function failed(reason: string, cause?: unknown): ThawfsError {
  return new ThawfsError('BAD_FIELD', `zstd: ${reason}`, { detail: { record: 'zstd frame' }, cause });
}
