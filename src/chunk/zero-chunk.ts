/** Chunks of zeros, which are known by their id: nobody need decode one. */
import { sha256 } from '../hash/sha256.js';
import { zeroLeaves } from '../hash/zero-leaves.js';
import { BLOCK_SIZE } from '../units.js';

/** @param size raw bytes, whole blocks @param salt of the leaves, empty = none @returns the chunk id of so many zeros: 32 new bytes */
export function zeroChunkId(size: number, salt: Uint8Array): Uint8Array {
  return sha256(zeroLeaves(size / BLOCK_SIZE, salt));
}
