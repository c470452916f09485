/** The patch file (docs/format-patch.md): header | head of the new image | batches | end. */
import { bytes, struct, u32le, u64le, zeros, type StructOf } from '../bytes/struct.js';
import { KiB, MiB } from '../units.js';

export const PATCH_MAGIC = new Uint8Array([0x74, 0x68, 0x61, 0x77, 0x70, 0x61, 0x0a, 0x1a]); // "thawpa\n\x1a"
export const PATCH_VERSION = 1;

/** @returns what a patch beside an image has behind the image's name @param rootHash of the older image */
export function patchSuffix(rootHash: string): string {
  return `.from-${rootHash.slice(0, 16)}.thawpatch`;
}

/** What {@link patchSuffix} makes. */
export const patchSuffixForm = /^\.from-[0-9a-f]{16}\.thawpatch$/;

export const patchHeader = struct('patch header', 192, [
  [0, 'magic', bytes(8), 'PATCH_MAGIC'],
  [8, 'version', u32le, 'PATCH_VERSION'],
  [12, 'headSize', u32le, 'bytes of the head of the new image'],
  [16, 'headFrameSize', u32le, 'bytes of the zstd frame that holds it; follows this header'],
  [20, 'checksum', u32le, 'crc32c (initial ~0, not inverted) of this header with 0 here, then of the frame'],
  [24, 'baseRootDigest', bytes(32), 'index.rootDigest of the image that the patch applies to'],
  [56, 'baseRootHash', bytes(32), 'verity.rootHash of the same'],
  [88, 'baseHashOffset', u64le, 'verity.hashOffset of the same: where its file system ends'],
  [96, 'baseRawSize', u64le, 'raw.size of the same'],
  [104, 'fileSize', u64le, 'bytes of the new image file'],
  [112, 'fileDigest', bytes(32), 'SHA-256 of the new image file'],
  [144, 'pad1', zeros(48), ''],
]);
export type PatchHeader = StructOf<typeof patchHeader>;

/** Followed by the zstd frames of its four streams, in this order; an empty stream has none. A batch without operations ends the patch. */
export const batchHeader = struct('patch batch', 56, [
  [0, 'rawStart', u64le, 'where in the new raw image the batch begins'],
  [8, 'operationsSize', u32le, 'bytes of the operations; 0 = end of the patch'],
  [12, 'operationsFrameSize', u32le, ''],
  [16, 'gapsSize', u32le, ''],
  [20, 'gapsFrameSize', u32le, ''],
  [24, 'valuesSize', u32le, ''],
  [28, 'valuesFrameSize', u32le, ''],
  [32, 'literalsSize', u32le, ''],
  [36, 'literalsFrameSize', u32le, ''],
  [40, 'number', u32le, 'counts from 0: none is missing'],
  [44, 'checksum', u32le, 'crc32c of this header with 0 here, then of the frames'],
  [48, 'rawEnd', u64le, 'where in the new raw image it ends: who has as much already need not decompress it'],
]);
export type BatchHeader = StructOf<typeof batchHeader>;

export const PATCH_STREAMS = ['operations', 'gaps', 'values', 'literals'] as const;
export type PatchStream = typeof PATCH_STREAMS[number];

/**
 * The low three bits of an operation's first number; the number above them is its length. In the order of the new raw image.
 * old: bytes of the old raw image with the differences applied; a second, signed number says where, from the end of the last `old`.
 * literal: the next bytes of the literals. zeros. hashes: the next bytes of the hash area, which follows from the file system.
 * same: length counts chunks whose frames the old image has; a signed number says which, from the chunk behind the last `same`.
 * frame: a whole chunk, whose frame is in the literals. gzip: what `gzip -9` makes of the content that the next `old` and `literal` make; the content's
 * size, and the ranges of the old raw image that hold the deflate stream which these `old` mean, follow.
 */
export const PATCH_OPERATIONS = { old: 0, literal: 1, zeros: 2, hashes: 3, same: 4, frame: 5, gzip: 6 } as const;
export type OperationKind = keyof typeof PATCH_OPERATIONS;
export const OPERATION_KIND_COUNT = 8;

/**
 * What a reader accepts. batch: the four streams of a batch together; operation: bytes of one `old`, `literal` or `frame`; content: of a `gzip`, of
 * the stream that it opens, and each of them compressed; ranges: parts of that stream.
 */
export const PATCH_LIMITS = { batch: 8 * MiB, operation: MiB + 64 * KiB, content: 4 * MiB, ranges: 1024 } as const;

/** A difference changes so many bytes of the old data, as one little-endian number; fewer where its operation ends. */
export const DIFFERENCE_SIZE = 4;

export const JOURNAL_MAGIC = new Uint8Array([0x74, 0x68, 0x61, 0x77, 0x6a, 0x6f, 0x0a, 0x1a]); // "thawjo\n\x1a"

/** The journal of an update in place: header, then records. */
export const journalHeader = struct('patch journal header', 96, [
  [0, 'magic', bytes(8), 'JOURNAL_MAGIC'],
  [8, 'complete', u32le, '1 = every record is here and the new image was checked: the device may be written'],
  [12, 'checksum', u32le, 'crc32c of this header with 0 here'],
  [16, 'rootHash', bytes(32), 'verity.rootHash of the new image'],
  [48, 'baseRootHash', bytes(32), 'verity.rootHash of the old image'],
  [80, 'rawSize', u64le, 'bytes of the new raw image'],
  [88, 'pad1', zeros(8), ''],
]);

/** Followed by its bytes. */
export const journalRecord = struct('patch journal record', 16, [
  [0, 'offset', u64le, 'in the raw image; records ascend'],
  [8, 'length', u32le, 'bytes to write there; 0 = nothing changes up to this offset'],
  [12, 'checksum', u32le, 'crc32c of this record with 0 here, then of its bytes'],
]);
