/** Extent trees. Source: linux fs/ext4/ext4_extents.h. A node is a header and then entries; the root has 60 bytes in i_block, other nodes a block with a tail. */
import { struct, u16le, u32le, type StructOf } from '../../bytes/struct.js';

export const EXTENT_MAGIC = 0xf30a;
export const EXTENT_MAX_DEPTH = 5;
/** Most blocks of one extent. ee_len above this marks an unwritten extent of ee_len - this blocks, which reads as zeros. */
export const EXTENT_MAX_LENGTH = 32_768;
export const EXTENT_UNWRITTEN_BIAS = EXTENT_MAX_LENGTH;
export const EXTENT_HEADER_SIZE = 12;
/** Of an extent and of an index entry alike. */
export const EXTENT_ENTRY_SIZE = 12;
export const EXTENT_TAIL_SIZE = 4;

export const extentHeader = struct('extent header', EXTENT_HEADER_SIZE, [
  [0, 'magic', u16le, 'eh_magic: EXTENT_MAGIC'],
  [2, 'entries', u16le, 'eh_entries'],
  [4, 'max', u16le, 'eh_max: room for entries'],
  [6, 'depth', u16le, 'eh_depth: 0 = the entries are extents'],
  [8, 'generation', u32le, 'eh_generation'],
]);
export type ExtentHeader = StructOf<typeof extentHeader>;

export const extentIndex = struct('extent index', EXTENT_ENTRY_SIZE, [
  [0, 'block', u32le, 'ei_block: first logical block below this node'],
  [4, 'leafLo', u32le, 'ei_leaf_lo: block of the node'],
  [8, 'leafHi', u16le, 'ei_leaf_hi'],
  [10, 'unused', u16le, 'ei_unused'],
]);
export type ExtentIndex = StructOf<typeof extentIndex>;

export const extent = struct('extent', EXTENT_ENTRY_SIZE, [
  [0, 'block', u32le, 'ee_block: first logical block'],
  [4, 'length', u16le, 'ee_len: blocks'],
  [6, 'startHi', u16le, 'ee_start_hi'],
  [8, 'startLo', u32le, 'ee_start_lo: first physical block'],
]);
export type Extent = StructOf<typeof extent>;

/** After the room for eh_max entries, in nodes that are blocks. */
export const extentTail = struct('extent tail', EXTENT_TAIL_SIZE, [
  [0, 'checksum', u32le, 'et_checksum: crc32c(seed, inode number, generation, the block before it)'],
]);
