/** fs-verity for one file: its digest, and the metadata that ext4 keeps behind the file's end. */
import { FSVERITY_SHA256, FSVERITY_VERSION, fsverityDescriptor } from '../format/fsverity.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE, roundUp } from '../units.js';

const noSalt = new Uint8Array(0);

export interface FsVerity {
  /** What `fsverity digest` prints: SHA-256 of the descriptor. */
  readonly digest: Uint8Array;
  /**
   * Whole blocks for file offset round_up(size, 64 KiB): the tree's levels from the root to the leaves, then the descriptor in a block
   * of its own whose last four bytes are its size (fs/ext4/verity.c).
   */
  readonly metadata: Uint8Array;
}

/**
 * @param leaves SHA-256 of each 4096-byte block of the file without salt, the last block filled up with zeros
 * @param size bytes of the file
 */
export function describeFsVerity(leaves: Uint8Array, size: number): FsVerity {
  const levels: Uint8Array[] = [];
  let digests = leaves;
  while (digests.length > DIGEST_SIZE) {
    levels.unshift(digests);
    const above = new Uint8Array(Math.ceil(digests.length / BLOCK_SIZE) * DIGEST_SIZE);
    hashLeaves(digests, noSalt, above);
    digests = above;
  }
  const descriptor = fsverityDescriptor.encode({
    version: FSVERITY_VERSION, hashAlgorithm: FSVERITY_SHA256, logBlockSize: Math.log2(BLOCK_SIZE), dataSize: BigInt(size),
    rootHash: digests, // of an empty file: none, that is zeros
  });
  return { digest: sha256(descriptor), metadata: join(levels, descriptor) };
}

function join(levels: readonly Uint8Array[], descriptor: Uint8Array): Uint8Array {
  const treeSize = levels.reduce((sum, { length }) => sum + roundUp(length, BLOCK_SIZE), 0);
  const metadata = new Uint8Array(treeSize + BLOCK_SIZE);
  let at = 0;
  for (const level of levels) {
    metadata.set(level, at);
    at += roundUp(level.length, BLOCK_SIZE);
  }
  metadata.set(descriptor, treeSize);
  new DataView(metadata.buffer).setUint32(metadata.length - 4, descriptor.length, true);
  return metadata;
}
