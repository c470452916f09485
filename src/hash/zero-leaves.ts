/** Leaves of blocks of zeros: all the same, so one is hashed. */
import { BLOCK_SIZE } from '../units.js';
import { DIGEST_SIZE, hashLeaves } from './sha256.js';

/**
 * @param count of blocks
 * @param salt empty = none
 * @returns their leaves, as {@link hashLeaves} makes them: 32 new bytes for each
 */
export function zeroLeaves(count: number, salt: Uint8Array): Uint8Array {
  const leaves = new Uint8Array(count * DIGEST_SIZE);
  if (count === 0) return leaves;
  hashLeaves(new Uint8Array(BLOCK_SIZE), salt, leaves);
  for (let filled = DIGEST_SIZE; filled < leaves.length; filled *= 2) leaves.copyWithin(filled, 0, Math.min(filled, leaves.length - filled));
  return leaves;
}
