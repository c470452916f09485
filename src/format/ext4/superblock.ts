/** The ext4 superblock. Source: linux fs/ext4/ext4.h struct ext4_super_block; the note begins with the kernel's name of the field. */
import { flagSet } from '../../bytes/flag-set.js';
import { array, bytes, chars, reserved, struct, u16le, u32le, u64le, u8, type StructOf } from '../../bytes/struct.js';

/** Bytes before the superblock on disk (boot sector). */
export const SUPERBLOCK_OFFSET = 1024;
export const EXT4_MAGIC = 0xef53;
/** Bytes covered by s_checksum: everything before it. */
export const SUPERBLOCK_CHECKSUMMED = 1020;
export const CHECKSUM_TYPE_CRC32C = 1;
/** s_rev_level of a file system with variable inode sizes and feature words. */
export const DYNAMIC_REVISION = 1;
export const ERRORS_CONTINUE = 1;
export const JOURNAL_BACKUP_BLOCKS = 1;

/** Inode numbers with a meaning; s_first_ino is the first one for files. */
export const ROOT_INODE = 2;
export const JOURNAL_INODE = 8;
export const FIRST_FREE_INODE = 11;

export const superblock = struct('superblock', 1024, [
  [0, 'inodesCount', u32le, 's_inodes_count'],
  [4, 'blocksCountLo', u32le, 's_blocks_count_lo'],
  [8, 'reservedBlocksCountLo', u32le, 's_r_blocks_count_lo'],
  [12, 'freeBlocksCountLo', u32le, 's_free_blocks_count_lo'],
  [16, 'freeInodesCount', u32le, 's_free_inodes_count'],
  [20, 'firstDataBlock', u32le, 's_first_data_block: 1 when blocks are 1024 bytes, else 0'],
  [24, 'logBlockSize', u32le, 's_log_block_size: block size = 1024 << this'],
  [28, 'logClusterSize', u32le, 's_log_cluster_size'],
  [32, 'blocksPerGroup', u32le, 's_blocks_per_group'],
  [36, 'clustersPerGroup', u32le, 's_clusters_per_group'],
  [40, 'inodesPerGroup', u32le, 's_inodes_per_group'],
  [44, 'mountTime', u32le, 's_mtime'],
  [48, 'writeTime', u32le, 's_wtime'],
  [52, 'mountCount', u16le, 's_mnt_count'],
  [54, 'maxMountCount', u16le, 's_max_mnt_count: 0xffff = never check'],
  [56, 'magic', u16le, 's_magic: EXT4_MAGIC'],
  [58, 'state', u16le, 's_state: states'],
  [60, 'errors', u16le, 's_errors: 1 continue, 2 remount read-only, 3 panic'],
  [62, 'minorRevision', u16le, 's_minor_rev_level'],
  [64, 'lastCheck', u32le, 's_lastcheck'],
  [68, 'checkInterval', u32le, 's_checkinterval: seconds, 0 = never'],
  [72, 'creatorOs', u32le, 's_creator_os: 0 = Linux'],
  [76, 'revision', u32le, 's_rev_level'],
  [80, 'reservedUidLo', u16le, 's_def_resuid'],
  [82, 'reservedGidLo', u16le, 's_def_resgid'],
  [84, 'firstInode', u32le, 's_first_ino'],
  [88, 'inodeSize', u16le, 's_inode_size'],
  [90, 'blockGroupNumber', u16le, 's_block_group_nr: of this copy'],
  [92, 'featureCompat', u32le, 's_feature_compat: compat'],
  [96, 'featureIncompat', u32le, 's_feature_incompat: incompat'],
  [100, 'featureRoCompat', u32le, 's_feature_ro_compat: roCompat'],
  [104, 'uuid', bytes(16), 's_uuid'],
  [120, 'volumeName', bytes(16), 's_volume_name'],
  [136, 'lastMounted', bytes(64), 's_last_mounted'],
  [200, 'algorithmUsageBitmap', u32le, 's_algorithm_usage_bitmap'],
  [204, 'preallocBlocks', u8, 's_prealloc_blocks'],
  [205, 'preallocDirBlocks', u8, 's_prealloc_dir_blocks'],
  [206, 'reservedGdtBlocks', u16le, 's_reserved_gdt_blocks'],
  [208, 'journalUuid', bytes(16), 's_journal_uuid: of an external journal'],
  [224, 'journalInode', u32le, 's_journal_inum'],
  [228, 'journalDevice', u32le, 's_journal_dev'],
  [232, 'lastOrphan', u32le, 's_last_orphan'],
  [236, 'hashSeed', bytes(16), 's_hash_seed: of the directory hash'],
  [252, 'defaultHashVersion', u8, 's_def_hash_version'],
  [253, 'journalBackupType', u8, 's_jnl_backup_type: 1 = s_jnl_blocks holds i_block and i_size of the journal inode'],
  [254, 'descriptorSize', u16le, 's_desc_size: of a group descriptor, with 64bit'],
  [256, 'defaultMountOptions', u32le, 's_default_mount_opts: defaultMountOptions'],
  [260, 'firstMetaGroup', u32le, 's_first_meta_bg'],
  [264, 'makeTime', u32le, 's_mkfs_time'],
  [268, 'journalBlocks', array(u32le, 17), 's_jnl_blocks: i_block[15], i_size_high, i_size'],
  [336, 'blocksCountHi', u32le, 's_blocks_count_hi'],
  [340, 'reservedBlocksCountHi', u32le, 's_r_blocks_count_hi'],
  [344, 'freeBlocksCountHi', u32le, 's_free_blocks_count_hi'],
  [348, 'minExtraInodeSize', u16le, 's_min_extra_isize'],
  [350, 'wantExtraInodeSize', u16le, 's_want_extra_isize'],
  [352, 'flags', u32le, 's_flags: superblockFlags'],
  [356, 'raidStride', u16le, 's_raid_stride'],
  [358, 'mmpInterval', u16le, 's_mmp_update_interval'],
  [360, 'mmpBlock', u64le, 's_mmp_block'],
  [368, 'raidStripeWidth', u32le, 's_raid_stripe_width'],
  [372, 'logGroupsPerFlex', u8, 's_log_groups_per_flex'],
  [373, 'checksumType', u8, 's_checksum_type: 1 = crc32c'],
  [374, 'encryptionLevel', u8, 's_encryption_level'],
  [375, 'pad', reserved(1), 's_reserved_pad'],
  [376, 'kbytesWritten', u64le, 's_kbytes_written'],
  [384, 'snapshotInode', u32le, 's_snapshot_inum'],
  [388, 'snapshotId', u32le, 's_snapshot_id'],
  [392, 'snapshotReservedBlocks', u64le, 's_snapshot_r_blocks_count'],
  [400, 'snapshotList', u32le, 's_snapshot_list'],
  [404, 'errorCount', u32le, 's_error_count'],
  [408, 'firstErrorTime', u32le, 's_first_error_time'],
  [412, 'firstErrorInode', u32le, 's_first_error_ino'],
  [416, 'firstErrorBlock', u64le, 's_first_error_block'],
  [424, 'firstErrorFunction', chars(32), 's_first_error_func'],
  [456, 'firstErrorLine', u32le, 's_first_error_line'],
  [460, 'lastErrorTime', u32le, 's_last_error_time'],
  [464, 'lastErrorInode', u32le, 's_last_error_ino'],
  [468, 'lastErrorLine', u32le, 's_last_error_line'],
  [472, 'lastErrorBlock', u64le, 's_last_error_block'],
  [480, 'lastErrorFunction', chars(32), 's_last_error_func'],
  [512, 'mountOptions', chars(64), 's_mount_opts'],
  [576, 'userQuotaInode', u32le, 's_usr_quota_inum'],
  [580, 'groupQuotaInode', u32le, 's_grp_quota_inum'],
  [584, 'overheadClusters', u32le, 's_overhead_clusters: blocks that statfs(2) does not count'],
  [588, 'backupGroups', array(u32le, 2), 's_backup_bgs: groups with a copy of the superblock, with sparse_super2'],
  [596, 'encryptionAlgorithms', bytes(4), 's_encrypt_algos'],
  [600, 'encryptionSalt', bytes(16), 's_encrypt_pw_salt'],
  [616, 'lostAndFoundInode', u32le, 's_lpf_ino'],
  [620, 'projectQuotaInode', u32le, 's_prj_quota_inum'],
  [624, 'checksumSeed', u32le, 's_checksum_seed: with metadata_csum_seed; else crc32c(~0, s_uuid)'],
  [628, 'writeTimeHi', u8, 's_wtime_hi'],
  [629, 'mountTimeHi', u8, 's_mtime_hi'],
  [630, 'makeTimeHi', u8, 's_mkfs_time_hi'],
  [631, 'lastCheckHi', u8, 's_lastcheck_hi'],
  [632, 'firstErrorTimeHi', u8, 's_first_error_time_hi'],
  [633, 'lastErrorTimeHi', u8, 's_last_error_time_hi'],
  [634, 'firstErrorCode', u8, 's_first_error_errcode'],
  [635, 'lastErrorCode', u8, 's_last_error_errcode'],
  [636, 'encoding', u16le, 's_encoding: with casefold'],
  [638, 'encodingFlags', u16le, 's_encoding_flags'],
  [640, 'orphanFileInode', u32le, 's_orphan_file_inum'],
  [644, 'reservedUidHi', u16le, 's_def_resuid_hi'],
  [646, 'reservedGidHi', u16le, 's_def_resgid_hi'],
  [648, 'reserved', reserved(372), 's_reserved'],
  [1020, 'checksum', u32le, 's_checksum: crc32c(~0, the bytes before it)'],
]);
export type Superblock = StructOf<typeof superblock>;

/** s_flags */
export const superblockFlags = flagSet('superblock flags', { signedDirectoryHash: 0x1, unsignedDirectoryHash: 0x2, testFileSystem: 0x4 });

/** s_state */
export const states = flagSet('state', { valid: 0x1, error: 0x2, orphan: 0x4, fastCommitReplay: 0x20 });

/** s_default_mount_opts (EXT4_DEFM_*); the journal mode at 0x60 is a number of two bits. */
export const defaultMountOptions = flagSet('default mount options', {
  debug: 0x1, bsdGroups: 0x2, userXattr: 0x4, acl: 0x8, uid16: 0x10, noBarrier: 0x100, blockValidity: 0x200, discard: 0x400, noDelayedAllocation: 0x800,
});
