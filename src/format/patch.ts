/** The patch file (docs/format-patch.md): header | head of the new image | batches | end. All that is new is in zstd frames. */
import { bytes, struct, u32le, u64le, u8, zeros, type StructOf } from '../bytes/struct.js';
import { KiB, MiB } from '../units.js';

export const PATCH_MAGIC = new Uint8Array([0x74, 0x68, 0x61, 0x77, 0x70, 0x61, 0x0a, 0x1a]); // "thawpa\n\x1a"
export const PATCH_VERSION = 1;

export const patchHeader = struct('patch header', 160, [
  [0, 'magic', bytes(8), 'PATCH_MAGIC'],
  [8, 'version', u32le, 'PATCH_VERSION'],
  [12, 'headSize', u32le, 'bytes of the head of the new image'],
  [16, 'headFrameSize', u32le, 'bytes of the zstd frame that holds it; follows this header'],
  [20, 'checksum', u32le, 'crc32c (initial ~0, not inverted) of this header with 0 here, then of the frame'],
  [24, 'baseRootDigest', bytes(32), 'index.rootDigest of the image that the patch applies to'],
  [56, 'baseRootHash', bytes(32), 'verity.rootHash of the same'],
  [88, 'fileSize', u64le, 'bytes of the new image file'],
  [96, 'fileDigest', bytes(32), 'SHA-256 of the new image file'],
  [128, 'pad1', zeros(32), ''],
]);
export type PatchHeader = StructOf<typeof patchHeader>;

/** Followed by the operations in a zstd frame, then by the data in a zstd frame. A batch without operations ends the patch. */
export const batchHeader = struct('patch batch', 24, [
  [0, 'operationCount', u32le, '0 = end of the patch'],
  [4, 'operationsFrameSize', u32le, ''],
  [8, 'dataSize', u32le, 'bytes of new data'],
  [12, 'dataFrameSize', u32le, '0 when there is no data'],
  [16, 'checksum', u32le, 'crc32c of this header with 0 here, then of the two frames'],
  [20, 'number', u32le, 'counts from 0: none is missing'],
]);
export type BatchHeader = StructOf<typeof batchHeader>;

export const patchOperation = struct('patch operation', 16, [
  [0, 'kind', u8, 'PATCH_OPERATIONS'],
  [1, 'pad1', zeros(3), ''],
  [4, 'length', u32le, 'bytes; of `same`: chunks'],
  [8, 'offset', u64le, 'in the old raw image; of `same`: number of the first old chunk; of the others 0'],
]);
export type PatchOperation = StructOf<typeof patchOperation>;

/**
 * In the order of the new raw image. reference: this part of the old raw image belongs to the prefix that the data were compressed
 * with; makes nothing. copy: raw bytes of the old image. data: the next bytes of the batch's data. hashes: the next bytes of the hash area,
 * which follows from the file system. same: whole chunks whose frames the old image has. frame: a whole chunk, whose frame is in the data.
 */
export const PATCH_OPERATIONS = { reference: 0, copy: 1, data: 2, hashes: 3, same: 4, frame: 5 } as const;

/** What a reader accepts; what it has to hold at a time. */
export const PATCH_LIMITS = { operations: 64 * KiB, data: 8 * MiB, references: 16 * MiB } as const;
