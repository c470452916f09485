/** The superblock. No time, no host, no chance: state fields say what mkfs would say of a file system never mounted. */
import { crc32c } from '../../bytes/crc32c.js';
import { compat, incompat, roCompat } from '../../format/ext4/features.js';
import { INODE_BLOCK_SIZE, INODE_EXTRA_SIZE } from '../../format/ext4/inode.js';
import {
  CHECKSUM_TYPE_CRC32C, defaultMountOptions, DYNAMIC_REVISION, ERRORS_CONTINUE, EXT4_MAGIC, FIRST_FREE_INODE, JOURNAL_BACKUP_BLOCKS, JOURNAL_INODE,
  superblock, SUPERBLOCK_CHECKSUMMED, SUPERBLOCK_OFFSET, superblockFlags, states,
} from '../../format/ext4/superblock.js';
import { BLOCK_SIZE } from '../../units.js';
import { countBlocks } from './block-runs.js';
import { frontBlocks } from './geometry.js';
import { writeJournalMap } from './inode-table.js';
import type { Layout } from './layout.js';
import { CHECKSUM_SEED, DESCRIPTOR_SIZE, HASH_FUNCTION, HASH_SEED, INODE_SIZE } from './parameters.js';

/** 4096 = 1024 << 2 */
const LOG_BLOCK_SIZE = 2;
const NEVER_CHECK = 0xffff;

export interface Features {
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
}

export function featuresOf(layout: Layout): Features {
  return {
    compat: compat.of('ext_attr', 'dir_index', 'sparse_super2') | (layout.placement.journal.length > 0 ? compat.bits.has_journal : 0),
    incompat: incompat.of('filetype', 'extents', '64bit', 'flex_bg', 'metadata_csum_seed') | (layout.readContent === undefined ? 0 : incompat.bits.inline_data),
    roCompat: roCompat.of('large_file', 'huge_file', 'dir_nlink', 'extra_isize', 'metadata_csum') | (layout.verityTrees.size > 0 ? roCompat.bits.verity : 0)
      | (layout.sharers.size > 0 ? roCompat.bits.shared_blocks : 0),
  };
}

/** @param volumeName at most 16 bytes @returns block 0 */
export function superblockBlock(layout: Layout, uuid: Uint8Array, volumeName: Uint8Array): Uint8Array {
  const { geometry, use } = layout;
  const journalBlocks = countBlocks(layout.placement.journal);
  const features = featuresOf(layout);
  const inodes = geometry.groups * geometry.inodesPerGroup;
  const block = new Uint8Array(BLOCK_SIZE);
  superblock.encode({
    inodesCount: inodes, freeInodesCount: inodes - use.inodes.size,
    blocksCountLo: geometry.blocks, freeBlocksCountLo: geometry.blocks - use.blocks.size,
    overheadClusters: frontBlocks(geometry) + journalBlocks,
    logBlockSize: LOG_BLOCK_SIZE, logClusterSize: LOG_BLOCK_SIZE,
    blocksPerGroup: geometry.blocksPerGroup, clustersPerGroup: geometry.blocksPerGroup, inodesPerGroup: geometry.inodesPerGroup,
    // One flex group for everything: the metadata of any group may lie in any other.
    logGroupsPerFlex: Math.ceil(Math.log2(geometry.groups)),
    magic: EXT4_MAGIC, state: states.bits.valid, errors: ERRORS_CONTINUE, maxMountCount: NEVER_CHECK,
    revision: DYNAMIC_REVISION, firstInode: FIRST_FREE_INODE,
    inodeSize: INODE_SIZE, minExtraInodeSize: INODE_EXTRA_SIZE, wantExtraInodeSize: INODE_EXTRA_SIZE, descriptorSize: DESCRIPTOR_SIZE,
    featureCompat: features.compat, featureIncompat: features.incompat, featureRoCompat: features.roCompat,
    uuid, volumeName,
    hashSeed: HASH_SEED, defaultHashVersion: HASH_FUNCTION.version, flags: superblockFlags.bits.signedDirectoryHash,
    defaultMountOptions: defaultMountOptions.of('userXattr', 'acl'),
    checksumType: CHECKSUM_TYPE_CRC32C, checksumSeed: CHECKSUM_SEED,
    ...(journalBlocks === 0 ? {} : { journalInode: JOURNAL_INODE, journalBackupType: JOURNAL_BACKUP_BLOCKS, journalBlocks: journalBackup(layout) }),
  }, block, SUPERBLOCK_OFFSET);
  const checksum = crc32c(0xffff_ffff, block, SUPERBLOCK_OFFSET, SUPERBLOCK_OFFSET + SUPERBLOCK_CHECKSUMMED);
  new DataView(block.buffer).setUint32(SUPERBLOCK_OFFSET + SUPERBLOCK_CHECKSUMMED, checksum, true);
  return block;
}

/** i_block, i_size_high and i_size of the journal inode. */
function journalBackup(layout: Layout): number[] {
  const view = new DataView(new ArrayBuffer(INODE_BLOCK_SIZE));
  writeJournalMap(layout, view, 0);
  const map = Array.from({ length: INODE_BLOCK_SIZE / 4 }, (_, i) => view.getUint32(i * 4, true));
  return [...map, 0, countBlocks(layout.placement.journal) * BLOCK_SIZE];
}
