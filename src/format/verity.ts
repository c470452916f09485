/** The dm-verity superblock. Source: cryptsetup lib/verity/verity.c struct verity_sb; linux Documentation/admin-guide/device-mapper/verity.rst. */
import { bytes, chars, struct, u16le, u32le, u64le, zeros, type StructOf } from '../bytes/struct.js';

export const VERITY_MAGIC = new Uint8Array([0x76, 0x65, 0x72, 0x69, 0x74, 0x79, 0, 0]); // "verity\0\0"
export const VERITY_VERSION = 1;
/** Salt before the data, one digest after another without padding between them: every format since 2012. */
export const VERITY_HASH_TYPE = 1;
export const VERITY_ALGORITHM = 'sha256';
export const VERITY_SALT_MAX_SIZE = 256;

export const veritySuperblock = struct('verity superblock', 512, [
  [0, 'magic', bytes(8), 'signature: VERITY_MAGIC'],
  [8, 'version', u32le, 'VERITY_VERSION'],
  [12, 'hashType', u32le, 'hash_type: VERITY_HASH_TYPE'],
  [16, 'uuid', bytes(16), ''],
  [32, 'algorithm', chars(32), 'VERITY_ALGORITHM'],
  [64, 'dataBlockSize', u32le, 'data_block_size: bytes'],
  [68, 'hashBlockSize', u32le, 'hash_block_size: bytes'],
  [72, 'dataBlocks', u64le, 'data_blocks'],
  [80, 'saltSize', u16le, 'salt_size: bytes'],
  [82, 'pad1', zeros(6), ''],
  [88, 'salt', bytes(VERITY_SALT_MAX_SIZE), 'unused end: zeros'],
  [344, 'pad2', zeros(168), ''],
]);
export type VeritySuperblock = StructOf<typeof veritySuperblock>;
