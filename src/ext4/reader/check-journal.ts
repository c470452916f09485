/** The superblock of the journal, as e2fsck demands it of an image that needs no recovery. Who only reads never looks at it. */
import { crc32c } from '../../bytes/crc32c.js';
import { compat } from '../../format/ext4/features.js';
import { JOURNAL_MAGIC, JOURNAL_SUPERBLOCK_V2, journalIncompat, journalSuperblock as record } from '../../format/ext4/journal.js';
import { readContent } from './content.js';
import { readInode } from './inode.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';

const JOURNAL_SUPERBLOCK_V1 = 3;
/** JBD2_CRC32C_CHKSUM */
const CHECKSUM_CRC32C = 4;
const WHERE = 'journal';

/** @throws STRUCTURE_INVALID; what reading the inode throws */
export function checkJournal(volume: Volume): void {
  const { blockSize, superblock: { featureCompat, journalInode } } = volume;
  if (!compat.has(featureCompat, 'has_journal') || journalInode === 0) return; // none, or on another device
  const inode = readInode(volume, journalInode);
  if (inode?.kind !== 'file' || inode.size < record.size) throw invalid(WHERE, `inode ${journalInode} holds none`, { inode: journalInode });
  const bytes = readContent(volume, inode, 0, record.size);
  const journal = record.decode(bytes);
  const demand = (holds: boolean, field: string, actual: number): void => {
    if (!holds) throw invalid(WHERE, `${field} is ${actual}`, { inode: journalInode, field, actual });
  };
  const { magic, blockType, maxLength } = journal;
  demand(magic === JOURNAL_MAGIC, 'magic', magic);
  demand(blockType === JOURNAL_SUPERBLOCK_V1 || blockType === JOURNAL_SUPERBLOCK_V2, 'block type', blockType);
  demand(journal.blockSize === blockSize, 'block size', journal.blockSize);
  demand(maxLength * blockSize <= inode.size, 'length', maxLength);
  if (blockType === JOURNAL_SUPERBLOCK_V1) return;
  const { featureIncompat, checksum } = journal;
  const foreign = journalIncompat.names(journalIncompat.outside(featureIncompat, journalIncompat.of('revoke', '64bit', 'asyncCommit', 'checksumV2', 'checksumV3', 'fastCommit')));
  if (foreign.length > 0) throw invalid(WHERE, `has the unknown feature ${foreign.join()}`, { inode: journalInode });
  if (!journalIncompat.has(featureIncompat, 'checksumV2') && !journalIncompat.has(featureIncompat, 'checksumV3')) return;
  bytes.fill(0, record.offsetOf('checksum'), record.offsetOf('checksum') + 4);
  demand(journal.checksumType === CHECKSUM_CRC32C, 'checksum type', journal.checksumType);
  demand(checksum === crc32c(0xffff_ffff, bytes), 'checksum', checksum);
}
