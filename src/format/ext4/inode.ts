/** Inodes. Source: linux fs/ext4/ext4.h struct ext4_inode: 128 bytes of old, then i_extra_isize bytes, then xattrs in what is left of s_inode_size. */
import { flagSet } from '../../bytes/flag-set.js';
import { bytes, struct, u16le, u32le, type StructOf } from '../../bytes/struct.js';

export const INODE_CORE_SIZE = 128;
/** i_extra_isize of everything that knows i_projid, today's full record. */
export const INODE_EXTRA_SIZE = 32;
/** i_block: extent tree root, block map, symlink target, device number or inline data. */
export const INODE_BLOCK_SIZE = 60;
/** Directories with more links than this count 1, with dir_nlink; nothing else may have more. */
export const LINK_MAX = 65_000;

export const inode = struct('inode', INODE_CORE_SIZE, [
  [0, 'mode', u16le, 'i_mode'],
  [2, 'uidLo', u16le, 'i_uid'],
  [4, 'sizeLo', u32le, 'i_size_lo'],
  [8, 'accessTime', u32le, 'i_atime: signed seconds; two more bits in i_atime_extra'],
  [12, 'changeTime', u32le, 'i_ctime'],
  [16, 'modifyTime', u32le, 'i_mtime'],
  [20, 'deleteTime', u32le, 'i_dtime'],
  [24, 'gidLo', u16le, 'i_gid'],
  [26, 'linksCount', u16le, 'i_links_count'],
  [28, 'blocksLo', u32le, 'i_blocks_lo: in 512 bytes, or in blocks with the hugeFile flag; counts extent tree, block map and xattr blocks too'],
  [32, 'flags', u32le, 'i_flags: inodeFlags'],
  [36, 'versionLo', u32le, 'osd1.l_i_version'],
  [40, 'block', bytes(INODE_BLOCK_SIZE), 'i_block'],
  [100, 'generation', u32le, 'i_generation'],
  [104, 'xattrBlockLo', u32le, 'i_file_acl_lo'],
  [108, 'sizeHi', u32le, 'i_size_high'],
  [112, 'fragmentAddress', u32le, 'i_obso_faddr'],
  [116, 'blocksHi', u16le, 'l_i_blocks_high'],
  [118, 'xattrBlockHi', u16le, 'l_i_file_acl_high'],
  [120, 'uidHi', u16le, 'l_i_uid_high'],
  [122, 'gidHi', u16le, 'l_i_gid_high'],
  [124, 'checksumLo', u16le, 'l_i_checksum_lo: of crc32c(seed, inode number, generation, the whole record with both checksum fields zero)'],
  [126, 'reserved', u16le, 'l_i_reserved'],
]);
export type Inode = StructOf<typeof inode>;

/** Follows the core at byte 128 when s_inode_size > 128; fields beyond i_extra_isize are absent and read as zero. */
export const inodeExtra = struct('inode extra', INODE_EXTRA_SIZE, [
  [0, 'extraSize', u16le, 'i_extra_isize'],
  [2, 'checksumHi', u16le, 'i_checksum_hi'],
  [4, 'changeTimeExtra', u32le, 'i_ctime_extra: nanoseconds << 2 | two bits to add to the seconds as 2^32'],
  [8, 'modifyTimeExtra', u32le, 'i_mtime_extra'],
  [12, 'accessTimeExtra', u32le, 'i_atime_extra'],
  [16, 'createTime', u32le, 'i_crtime'],
  [20, 'createTimeExtra', u32le, 'i_crtime_extra'],
  [24, 'versionHi', u32le, 'i_version_hi'],
  [28, 'projectId', u32le, 'i_projid'],
]);
export type InodeExtra = StructOf<typeof inodeExtra>;

/** i_flags (EXT4_*_FL) */
export const inodeFlags = flagSet('inode flags', {
  secureDeletion: 0x1, undelete: 0x2, compress: 0x4, sync: 0x8, immutable: 0x10, append: 0x20, noDump: 0x40, noAtime: 0x80,
  dirty: 0x100, compressedBlocks: 0x200, noCompress: 0x400, encrypt: 0x800, index: 0x1000, imagic: 0x2000, journalData: 0x4000,
  noTail: 0x8000, dirSync: 0x1_0000, topDirectory: 0x2_0000, hugeFile: 0x4_0000, extents: 0x8_0000, verity: 0x10_0000,
  eaInode: 0x20_0000, eofBlocks: 0x40_0000, snapshotFile: 0x100_0000, dax: 0x200_0000, snapshotDeleted: 0x400_0000,
  snapshotShrunk: 0x800_0000, inlineData: 0x1000_0000, projectInherit: 0x2000_0000, casefold: 0x4000_0000, reserved: 0x8000_0000,
});
