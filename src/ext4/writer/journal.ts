/** An empty journal: a superblock, then zeros. It serves whoever mounts a copy of the image for writing. */
import { ThawfsError } from '../../errors.js';
import { EXTENT_MAX_LENGTH } from '../../format/ext4/extent.js';
import { JOURNAL_MAGIC, JOURNAL_MIN_BLOCKS, JOURNAL_SUPERBLOCK_V2, journalSuperblock } from '../../format/ext4/journal.js';
import { BLOCK_SIZE } from '../../units.js';

/** Four full extents: the map of the journal must fit the inode, of which the superblock keeps a copy. */
const MAX_BLOCKS = 4 * EXTENT_MAX_LENGTH;

/**
 * @param journal bytes, or true for what mkfs.ext4 takes for a file system of `blocks` blocks
 * @throws BAD_ARGUMENT for a size that the kernel refuses
 */
export function journalBlockCount(journal: boolean | number, blocks: number): number {
  if (journal === false) return 0;
  if (journal === true) {
    if (blocks < 32 * 1024) return JOURNAL_MIN_BLOCKS;
    if (blocks < 256 * 1024) return 4 * 1024;
    return blocks < 512 * 1024 ? 8 * 1024 : 16 * 1024;
  }
  const count = Math.ceil(journal / BLOCK_SIZE);
  if (!(count >= JOURNAL_MIN_BLOCKS && count <= MAX_BLOCKS)) {
    throw new ThawfsError('BAD_ARGUMENT', `a journal of ${journal} bytes: from ${JOURNAL_MIN_BLOCKS * BLOCK_SIZE} to ${MAX_BLOCKS * BLOCK_SIZE} are possible`, {
      detail: { size: journal, least: JOURNAL_MIN_BLOCKS * BLOCK_SIZE, most: MAX_BLOCKS * BLOCK_SIZE }, suggestion: 'Give a size from 4 to 512 MiB, or none for the usual one.',
    });
  }
  return count;
}

/** @returns the first block of the journal; it holds no uuid, so that the file system's touches one block only. */
export function journalHead(blocks: number): Uint8Array {
  return journalSuperblock.encode({
    magic: JOURNAL_MAGIC, blockType: JOURNAL_SUPERBLOCK_V2, blockSize: BLOCK_SIZE, maxLength: blocks, first: 1, sequence: 1, start: 0, usersCount: 1,
  }, new Uint8Array(BLOCK_SIZE));
}
