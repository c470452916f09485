/** SHA-256, the one digest of the format. Its two implementations give the same bytes. */
// package.json says which file this is: native.js in Node, portable.js elsewhere. Only that one is loaded.
import { hasher } from '#hasher';
import { BLOCK_SIZE } from '../units.js';
import { DIGEST_SIZE } from './digest.js';

export { DIGEST_SIZE } from './digest.js';

/** @returns the digest of all parts, one after another: 32 new bytes. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  return hasher.sha256(parts);
}

/**
 * The leaves of dm-verity, of fs-verity and of our chunk index: SHA-256(salt || 4096-byte block) of each block.
 *
 * @param data a last block that is not full counts as filled up with zeros
 * @param salt empty = none
 * @param target receives 32 bytes for each block
 * @returns bytes written to `target`
 */
export function hashLeaves(data: Uint8Array, salt: Uint8Array, target: Uint8Array): number {
  const whole = data.length - data.length % BLOCK_SIZE;
  hasher.hashBlocks(data.subarray(0, whole), salt, target);
  const written = whole / BLOCK_SIZE * DIGEST_SIZE;
  if (whole === data.length) return written;
  const last = new Uint8Array(BLOCK_SIZE);
  last.set(data.subarray(whole));
  hasher.hashBlocks(last, salt, target.subarray(written));
  return written + DIGEST_SIZE;
}
