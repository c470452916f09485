/** The dm-verity superblock, which stands in a block of its own before the hash tree. */
import { VERITY_ALGORITHM, VERITY_HASH_TYPE, VERITY_MAGIC, VERITY_VERSION, veritySuperblock } from '../format/verity.js';
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
