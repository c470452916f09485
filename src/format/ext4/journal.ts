/** The journal superblock, first block of the journal, big-endian. Source: linux include/linux/jbd2.h. */
import { array, bytes, reserved, struct, u32be, u8, type StructOf } from '../../bytes/struct.js';
import { flagSet } from '../../bytes/flag-set.js';

export const JOURNAL_MAGIC = 0xc03b_3998;
/** h_blocktype of a version 2 superblock. */
export const JOURNAL_SUPERBLOCK_V2 = 4;
/** The kernel refuses a shorter journal (JBD2_MIN_JOURNAL_BLOCKS). */
export const JOURNAL_MIN_BLOCKS = 1024;

export const journalSuperblock = struct('journal superblock', 1024, [
  [0, 'magic', u32be, 'h_magic: JOURNAL_MAGIC'],
  [4, 'blockType', u32be, 'h_blocktype'],
  [8, 'headerSequence', u32be, 'h_sequence'],
  [12, 'blockSize', u32be, 's_blocksize'],
  [16, 'maxLength', u32be, 's_maxlen: blocks in the journal, this one included'],
  [20, 'first', u32be, 's_first: first block of log'],
  [24, 'sequence', u32be, 's_sequence: first commit id expected'],
  [28, 'start', u32be, 's_start: 0 = the log is empty'],
  [32, 'errorNumber', u32be, 's_errno'],
  [36, 'featureCompat', u32be, 's_feature_compat'],
  [40, 'featureIncompat', u32be, 's_feature_incompat: journalIncompat'],
  [44, 'featureRoCompat', u32be, 's_feature_ro_compat'],
  [48, 'uuid', bytes(16), 's_uuid'],
  [64, 'usersCount', u32be, 's_nr_users'],
  [68, 'dynamicSuper', u32be, 's_dynsuper'],
  [72, 'maxTransaction', u32be, 's_max_transaction'],
  [76, 'maxTransactionData', u32be, 's_max_trans_data'],
  [80, 'checksumType', u8, 's_checksum_type'],
  [81, 'padding2', reserved(3), 's_padding2'],
  [84, 'fastCommitBlocks', u32be, 's_num_fc_blks'],
  [88, 'head', u32be, 's_head'],
  [92, 'padding', array(u32be, 40), 's_padding'],
  [252, 'checksum', u32be, 's_checksum'],
  [256, 'users', bytes(768), 's_users'],
]);
export type JournalSuperblock = StructOf<typeof journalSuperblock>;

export const journalIncompat = flagSet('journal incompat', { revoke: 0x1, '64bit': 0x2, asyncCommit: 0x4, checksumV2: 0x8, checksumV3: 0x10, fastCommit: 0x20 });
