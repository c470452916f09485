/** Directories: linear blocks and the hash tree above them. Source: linux fs/ext4/ext4.h (ext4_dir_entry_2), fs/ext4/namei.c (dx_*). */
import { bytes, struct, u16le, u32le, u8, type StructOf } from '../../bytes/struct.js';

export const NAME_MAX = 255;
export const DIR_ENTRY_HEADER_SIZE = 8;
export const DIR_TAIL_SIZE = 12;
export const DIR_TAIL_FILE_TYPE = 0xde;
export const DX_ROOT_SIZE = 32;
export const DX_NODE_SIZE = 8;
export const DX_ENTRY_SIZE = 8;
export const DX_TAIL_SIZE = 8;

/** Head of an entry; the name follows, records are multiples of 4 bytes. */
export const directoryEntry = struct('directory entry', DIR_ENTRY_HEADER_SIZE, [
  [0, 'inode', u32le, 'inode: 0 = unused'],
  [4, 'recordLength', u16le, 'rec_len: to the next entry; 0 or 65535 stand for 65536'],
  [6, 'nameLength', u8, 'name_len'],
  [7, 'fileType', u8, 'file_type: fileTypes, with filetype'],
]);
export type DirectoryEntry = StructOf<typeof directoryEntry>;

const fileTypeNumbers = { 'file': 1, 'directory': 2, 'character-device': 3, 'block-device': 4, 'fifo': 5, 'socket': 6, 'symlink': 7 } as const;
/** file_type by kind of node. */
export const fileTypes: Readonly<Record<keyof typeof fileTypeNumbers, number>> = fileTypeNumbers;

/** Last bytes of a linear block with metadata_csum: looks like an unused entry. */
export const directoryTail = struct('directory tail', DIR_TAIL_SIZE, [
  [0, 'reservedZero1', u32le, 'det_reserved_zero1'],
  [4, 'recordLength', u16le, 'det_rec_len: 12'],
  [6, 'reservedZero2', u8, 'det_reserved_zero2'],
  [7, 'fileType', u8, 'det_reserved_ft: DIR_TAIL_FILE_TYPE'],
  [8, 'checksum', u32le, 'det_checksum: crc32c(seed, inode number, generation, the block before the tail)'],
]);

/** Block 0 of an indexed directory; entries follow at byte 32, the first one being {@link dxCountLimit} and a block number. */
export const dxRoot = struct('dx root', DX_ROOT_SIZE, [
  [0, 'dotInode', u32le, 'dot.inode'],
  [4, 'dotRecordLength', u16le, 'dot.rec_len: 12'],
  [6, 'dotNameLength', u8, 'dot.name_len: 1'],
  [7, 'dotFileType', u8, 'dot.file_type: 2'],
  [8, 'dotName', bytes(4), 'dot_name: "."'],
  [12, 'dotDotInode', u32le, 'dotdot.inode'],
  [16, 'dotDotRecordLength', u16le, 'dotdot.rec_len: to the end of the block'],
  [18, 'dotDotNameLength', u8, 'dotdot.name_len: 2'],
  [19, 'dotDotFileType', u8, 'dotdot.file_type: 2'],
  [20, 'dotDotName', bytes(4), 'dotdot_name: ".."'],
  [24, 'reservedZero', u32le, 'info.reserved_zero'],
  [28, 'hashVersion', u8, 'info.hash_version: hashVersions'],
  [29, 'infoLength', u8, 'info.info_length: 8'],
  [30, 'indirectLevels', u8, 'info.indirect_levels: levels of dx nodes between root and leaves'],
  [31, 'unusedFlags', u8, 'info.unused_flags'],
]);
export type DxRoot = StructOf<typeof dxRoot>;

/** Head of an inner block of the index: an unused entry over the whole block; entries follow at byte 8. */
export const dxNode = struct('dx node', DX_NODE_SIZE, [
  [0, 'inode', u32le, 'fake.inode: 0'],
  [4, 'recordLength', u16le, 'fake.rec_len: block size'],
  [6, 'nameLength', u8, 'fake.name_len: 0'],
  [7, 'fileType', u8, 'fake.file_type: 0'],
]);

/** Lies over the hash of entry 0, whose hash is taken as 0. */
export const dxCountLimit = struct('dx count and limit', 4, [
  [0, 'limit', u16le, 'limit: room for entries'],
  [2, 'count', u16le, 'count: entries, this one included'],
]);

export const dxEntry = struct('dx entry', DX_ENTRY_SIZE, [
  [0, 'hash', u32le, 'hash: lowest below this block; bit 0 = the hash continues from the block before'],
  [4, 'block', u32le, 'block: logical block of the directory'],
]);
export type DxEntry = StructOf<typeof dxEntry>;

/** After the room for `limit` entries, with metadata_csum. */
export const dxTail = struct('dx tail', DX_TAIL_SIZE, [
  [0, 'reserved', u32le, 'dt_reserved'],
  [4, 'checksum', u32le, 'dt_checksum: crc32c(seed, inode number, generation, the block up to the last entry in use, this record with the field zero)'],
]);

/** s_def_hash_version, info.hash_version. s_flags says signed or unsigned for the first three. */
export const hashVersions = { legacy: 0, halfMd4: 1, tea: 2, legacyUnsigned: 3, halfMd4Unsigned: 4, teaUnsigned: 5, siphash: 6 } as const;
/** A hash at or above this (32-bit form) marks the end of a directory and is never given to a name. */
export const HASH_END = 0xffff_fffe;
