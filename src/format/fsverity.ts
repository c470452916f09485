/** The fs-verity descriptor. Source: linux Documentation/filesystems/fsverity.rst, struct fsverity_descriptor. */
import { bytes, struct, u32le, u64le, u8, zeros } from '../bytes/struct.js';
import { KiB } from '../units.js';

export const FSVERITY_VERSION = 1;
export const FSVERITY_SHA256 = 1;
/** ext4 keeps the tree in the file itself, from the next multiple of this behind its size (fs/ext4/verity.c). */
export const FSVERITY_ALIGNMENT = 64 * KiB;

export const fsverityDescriptor = struct('fs-verity descriptor', 256, [
  [0, 'version', u8, 'FSVERITY_VERSION'],
  [1, 'hashAlgorithm', u8, 'FSVERITY_SHA256'],
  [2, 'logBlockSize', u8, '12 = 4096 bytes'],
  [3, 'saltSize', u8, 'bytes; ours is 0'],
  [4, 'signatureSize', u32le, 'of a built-in signature behind the descriptor; ours is 0'],
  [8, 'dataSize', u64le, 'bytes of the file'],
  [16, 'rootHash', bytes(64), 'SHA-256 fills the first 32'],
  [80, 'salt', bytes(32), ''],
  [112, 'pad1', zeros(144), ''],
]);
