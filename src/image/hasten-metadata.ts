/** What every start needs of an image: its inodes and directories, in a few large requests instead of one after another. */
import { Ext4Reader } from '../ext4/reader/reader.js';
import { MiB } from '../units.js';
import type { LazyImage } from './lazy-image.js';
import { tablesEnd } from './metadata.js';

/** Directories and xattr blocks lie behind the inode tables and take about so much more: 1.6 times in a server's root. What is too much is content, and not lost. */
const BEHIND_TABLES = 1.6;
/** Raw bytes at most: metadata compresses to a tenth or less. */
const MOST = 64 * MiB;

/**
 * For an image that will be fetched as a whole: elsewhere it would be bytes that nobody asked for.
 *
 * @returns when the metadata is under way
 * @throws what LazyImage.fetch throws; STRUCTURE_INVALID and the like when there is no ext4 in it
 */
export async function hastenMetadata(image: LazyImage): Promise<void> {
  const end = await image.run((view) => tablesEnd(new Ext4Reader(view)));
  const size = Math.min(image.size, MOST, end * (1 + BEHIND_TABLES));
  image.hasten(Array.from({ length: Math.ceil(size / image.chunkSize) }, (_, chunk) => chunk));
}
