/** The dm-verity superblock, which stands in a block of its own before the hash tree. */
import type { RandomAccess } from '../bytes/random-access.js';
import { toSafeNumber } from '../bytes/struct.js';
import { hasCode } from '../errors.js';
import { hashTreeLevels } from '../format/manifest.js';
import { VERITY_ALGORITHM, VERITY_HASH_TYPE, VERITY_MAGIC, VERITY_VERSION, veritySuperblock } from '../format/verity.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';

export interface SuperblockFacts {
  readonly dataBlocks: number;
  /** At most 256 bytes. */
  readonly salt: Uint8Array;
  /** Sixteen bytes. */
  readonly uuid: Uint8Array;
}

/** @returns 512 bytes; the rest of the block is zero */
export function encodeSuperblock({ dataBlocks, salt, uuid }: SuperblockFacts): Uint8Array {
  return veritySuperblock.encode({
    magic: VERITY_MAGIC, version: VERITY_VERSION, hashType: VERITY_HASH_TYPE, uuid, algorithm: VERITY_ALGORITHM,
    dataBlockSize: BLOCK_SIZE, hashBlockSize: BLOCK_SIZE, dataBlocks: BigInt(dataBlocks), saltSize: salt.length, salt,
  });
}

/** What a raw image says of itself. */
export interface VerityClaim {
  readonly salt: Uint8Array;
  /** Follows from the topmost block of the tree; whether anything below it is right, nobody has looked. */
  readonly rootHash: Uint8Array;
}

/**
 * @param hashOffset where the file system ends
 * @returns undefined where no superblock stands there, or one of another file system or other settings than ours
 * @throws what reading throws
 */
export function readVerityClaim(raw: RandomAccess, hashOffset: number): VerityClaim | undefined {
  const found = decoded(raw.read(hashOffset, veritySuperblock.size));
  if (found === undefined || found.dataBlocks * BLOCK_SIZE !== hashOffset) return undefined;
  const rootHash = new Uint8Array(DIGEST_SIZE);
  hashLeaves(raw.read(hashTreeLevels(found.dataBlocks).length === 0 ? 0 : hashOffset + BLOCK_SIZE, BLOCK_SIZE), found.salt, rootHash);
  return { salt: found.salt, rootHash };
}

function decoded(bytes: Uint8Array): Pick<SuperblockFacts, 'dataBlocks' | 'salt'> | undefined {
  try {
    const { magic, version, hashType, algorithm, dataBlockSize, hashBlockSize, dataBlocks, saltSize, salt } = veritySuperblock.decode(bytes);
    const isOurs = Buffer.compare(magic, VERITY_MAGIC) === 0 && version === VERITY_VERSION && hashType === VERITY_HASH_TYPE && algorithm === VERITY_ALGORITHM
      && dataBlockSize === BLOCK_SIZE && hashBlockSize === BLOCK_SIZE && saltSize <= salt.length;
    return isOurs ? { dataBlocks: toSafeNumber(dataBlocks, 'verity superblock.dataBlocks'), salt: salt.slice(0, saltSize) } : undefined;
  } catch (error) {
    if (hasCode(error)) return undefined; // other bytes
    throw error;
  }
}
