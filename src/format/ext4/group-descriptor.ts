/** Group descriptors. Source: linux fs/ext4/ext4.h struct ext4_group_desc; the first 32 bytes are the whole record without 64bit. */
import { flagSet } from '../../bytes/flag-set.js';
import { reserved, struct, u16le, u32le, type Row, type StructOf } from '../../bytes/struct.js';

const low = [
  [0, 'blockBitmapLo', u32le, 'bg_block_bitmap_lo'],
  [4, 'inodeBitmapLo', u32le, 'bg_inode_bitmap_lo'],
  [8, 'inodeTableLo', u32le, 'bg_inode_table_lo'],
  [12, 'freeBlocksCountLo', u16le, 'bg_free_blocks_count_lo'],
  [14, 'freeInodesCountLo', u16le, 'bg_free_inodes_count_lo'],
  [16, 'usedDirectoriesCountLo', u16le, 'bg_used_dirs_count_lo'],
  [18, 'flags', u16le, 'bg_flags: groupFlags'],
  [20, 'excludeBitmapLo', u32le, 'bg_exclude_bitmap_lo'],
  [24, 'blockBitmapChecksumLo', u16le, 'bg_block_bitmap_csum_lo: crc32c(seed, the bits of the group)'],
  [26, 'inodeBitmapChecksumLo', u16le, 'bg_inode_bitmap_csum_lo'],
  [28, 'unusedInodesLo', u16le, 'bg_itable_unused_lo: inodes at the end of the table that were never used'],
  [30, 'checksum', u16le, 'bg_checksum: low half of crc32c(seed, group number, the record with this field zero)'],
] as const satisfies readonly Row[];

export const groupDescriptor32 = struct('group descriptor', 32, low);
export type GroupDescriptor32 = StructOf<typeof groupDescriptor32>;

export const groupDescriptor64 = struct('group descriptor', 64, [
  ...low,
  [32, 'blockBitmapHi', u32le, 'bg_block_bitmap_hi'],
  [36, 'inodeBitmapHi', u32le, 'bg_inode_bitmap_hi'],
  [40, 'inodeTableHi', u32le, 'bg_inode_table_hi'],
  [44, 'freeBlocksCountHi', u16le, 'bg_free_blocks_count_hi'],
  [46, 'freeInodesCountHi', u16le, 'bg_free_inodes_count_hi'],
  [48, 'usedDirectoriesCountHi', u16le, 'bg_used_dirs_count_hi'],
  [50, 'unusedInodesHi', u16le, 'bg_itable_unused_hi'],
  [52, 'excludeBitmapHi', u32le, 'bg_exclude_bitmap_hi'],
  [56, 'blockBitmapChecksumHi', u16le, 'bg_block_bitmap_csum_hi'],
  [58, 'inodeBitmapChecksumHi', u16le, 'bg_inode_bitmap_csum_hi'],
  [60, 'reserved', reserved(4), 'bg_reserved'],
]);
export type GroupDescriptor64 = StructOf<typeof groupDescriptor64>;

/** bg_flags */
export const groupFlags = flagSet('group flags', { inodeUninit: 0x1, blockUninit: 0x2, inodeZeroed: 0x4 });
