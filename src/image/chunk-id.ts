/** What the id of a chunk tells before its bytes are looked at, and afterwards. */
import { toHex } from '../bytes/hex.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';

/** @throws CHUNK_DIGEST_MISMATCH */
export function compareId({ number, id, size }: ChunkPlace, found: Uint8Array, chunkSize: number): void {
  if (Buffer.compare(id, found) === 0) return;
  const offset = number * chunkSize;
  throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${number} (bytes ${offset}-${offset + size - 1}): id is ${toHex(found)}, the index says ${toHex(id)}`, {
    detail: { chunk: number, offset, length: size, expected: toHex(id), actual: toHex(found) }, suggestion: 'Fetch or copy the image again.',
  });
}

/** Knows chunks of zeros by their id: a hole of the raw image, which nobody need decode. @param salt of the leaves, empty = none */
export function holeFinder(chunkSize: number, salt: Uint8Array): (place: Pick<ChunkPlace, 'id' | 'size'>) => boolean {
  const leaves = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
  hashLeaves(new Uint8Array(chunkSize), salt, leaves);
  const hole = sha256(leaves);
  return ({ id, size }) => size === chunkSize && Buffer.compare(id, hole) === 0;
}
