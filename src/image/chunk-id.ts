/** Whether a chunk is the one that the index speaks of. */
import { toHex } from '../bytes/hex.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { ThawfsError } from '../errors.js';

/** @throws CHUNK_DIGEST_MISMATCH */
export function compareId({ number, id, size }: ChunkPlace, found: Uint8Array, chunkSize: number): void {
  if (Buffer.compare(id, found) === 0) return;
  const offset = number * chunkSize;
  throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${number} (bytes ${offset}-${offset + size - 1}): id is ${toHex(found)}, the index says ${toHex(id)}`, {
    detail: { chunk: number, offset, length: size, expected: toHex(id), actual: toHex(found) }, suggestion: 'Fetch or copy the image again.',
  });
}
