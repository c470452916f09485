/**
 * The container: a plain zstd file. HEAD (skippable) | chunk frames | INDEX pages (skippable) | SEEK TABLE (skippable).
 * Normative text: docs/format.md; a test holds its tables against these.
 */
import { bytes, struct, u32le, u64le, u8, zeros, type StructOf } from '../bytes/struct.js';
import { KiB } from '../units.js';

/** zstd skippable frame: magic 0x184D2A50..5F, then the number of bytes that follow (RFC 8878 section 3.1.2). */
export const SKIPPABLE_HEADER_SIZE = 8;
export const HEAD_FRAME_MAGIC = 0x184d2a54;
export const INDEX_FRAME_MAGIC = 0x184d2a55;
export const SEEK_TABLE_FRAME_MAGIC = 0x184d2a5e;
/** A standard zstd frame begins with this (RFC 8878 section 3.1.1). */
export const ZSTD_FRAME_MAGIC = 0xfd2fb528;

export const HEAD_MAGIC = new Uint8Array([0x74, 0x68, 0x61, 0x77, 0x66, 0x73, 0x0a, 0x1a]); // "thawfs\n\x1a": a text-mode transfer breaks it
export const FORMAT_VERSION = 1;

/** One closed range of this many bytes from the file start opens any image: it holds the whole head. */
export const HEAD_MAX_SIZE = 64 * KiB;
/** Free room kept in a new head for signatures that come later. */
export const HEAD_SPARE_SIZE = 16 * KiB;

/**
 * First bytes of the file. Sections lie inside the head frame; offsets count from the file start. Rest of the head: zeros up
 * to the end of the root page, and when the image is made; behind the root page readers do not look at it (src/chunk/head.ts).
 */
export const headHeader = struct('head', 72, [
  [0, 'frameMagic', u32le, 'HEAD_FRAME_MAGIC'],
  [4, 'frameSize', u32le, 'bytes of the head after this field'],
  [8, 'magic', bytes(8), 'HEAD_MAGIC'],
  [16, 'version', u32le, 'FORMAT_VERSION'],
  [20, 'headSize', u32le, 'bytes of the whole head frame = file offset of the first chunk frame; a multiple of 4096'],
  [24, 'manifestOffset', u32le, ''],
  [28, 'manifestSize', u32le, 'canonical JSON'],
  [32, 'rootPageOffset', u32le, ''],
  [36, 'rootPageSize', u32le, 'root page of the chunk index'],
  [40, 'signaturesOffset', u32le, ''],
  [44, 'signaturesSize', u32le, 'canonical JSON, a detached DSSE envelope; 0 = unsigned'],
  [48, 'pkcs7Offset', u32le, ''],
  [52, 'pkcs7Size', u32le, 'DER PKCS#7 over the root hash; 0 = none'],
  [56, 'indexOffset', u64le, 'file offset of the INDEX frame'],
  [64, 'checksum', u32le, 'crc32c (initial ~0, not inverted) of this header with 0 here, then of the sections in the order above'],
  [68, 'pad1', zeros(4), ''],
]);
export type HeadHeader = StructOf<typeof headHeader>;

/**
 * The chunk index is a tree of pages. A level 0 page lists chunks; a page of a higher level lists pages of the level
 * below; the single page of the top level (the root page) is in the head, all others in the INDEX frame: level 0 first,
 * each level in order, every page full except the last of its level, so a page's place is computed.
 * Page digest = SHA-256 of the page's bytes. Equal content under one codec has equal pages wherever it lies.
 */
export const INDEX_PAGE_ENTRIES = 1024;
/** INDEX frame: 0x7000000 * (36 + 40/1023.98) bytes = 4.23e9, below the 2^32 of a skippable frame; the seekable format allows 0x8000000 frames. */
export const CHUNK_COUNT_MAX = 0x7000000;

export const chunkEntry = struct('chunk entry', 36, [
  [0, 'frameSize', u32le, 'bytes of the zstd frame'],
  [4, 'chunkId', bytes(32), 'SHA-256 over the leaf digests of the chunk, one after another'],
]);
export type ChunkEntry = StructOf<typeof chunkEntry>;

export const pageEntry = struct('page entry', 40, [
  [0, 'framesSize', u64le, 'bytes of all chunk frames below this page'],
  [8, 'pageDigest', bytes(32), 'SHA-256 of the page'],
]);
export type PageEntry = StructOf<typeof pageEntry>;

/** zstd seekable format 0.1.0 (facebook/zstd contrib/seekable_format), without checksums: ours are in the index. */
export const seekTableEntry = struct('seek table entry', 8, [
  [0, 'compressedSize', u32le, ''],
  [4, 'decompressedSize', u32le, '0 for skippable frames'],
]);
export const seekTableFooter = struct('seek table footer', 9, [
  [0, 'frameCount', u32le, ''],
  [4, 'descriptor', u8, 'bit 7 = checksums present; ours are 0'],
  [5, 'magic', u32le, 'SEEKABLE_MAGIC'],
]);
export const SEEKABLE_MAGIC = 0x8f92eab1;
