/** Which ext4 features this reader speaks, and what it says about the others. */
import { compat, incompat, roCompat } from '../../format/ext4/features.js';
import type { Superblock } from '../../format/ext4/superblock.js';
import { unsupported } from './fault.js';

const readableIncompat = incompat.of(
  'filetype', 'meta_bg', 'extents', '64bit', 'mmp', 'flex_bg', 'ea_inode', 'metadata_csum_seed', 'large_dir', 'inline_data',
  'encrypt', 'casefold', // only files that have the flag of their own cannot be read (inode.ts)
);
/** Unknown ro-compat features only forbid writing. These two change what is read: clusters in bitmaps, hidden snapshot blocks. */
const unreadableRoCompat = ['bigalloc', 'has_snapshot'] as const;

/** @throws FEATURE_UNSUPPORTED naming the first feature of the image that cannot be read */
export function requireReadable(superblock: Superblock): void {
  const { featureIncompat, featureRoCompat } = superblock;
  if (incompat.has(featureIncompat, 'needs_recovery')) {
    throw unsupported('needs_recovery', 'the journal holds changes that are not in their places yet',
      'Mount and unmount the image read-write once, or run e2fsck -p on it.');
  }
  const foreign = [
    ...incompat.names(incompat.outside(featureIncompat, readableIncompat)),
    ...unreadableRoCompat.filter((name) => roCompat.has(featureRoCompat, name)),
  ][0];
  if (foreign === 'journal_dev') throw unsupported(foreign, 'this is the journal of another file system, and holds no files', 'Name the file system that it belongs to.');
  if (foreign !== undefined) {
    throw unsupported(foreign, 'cannot be read', /^0x/.test(foreign) ? 'Build from the mounted files.' : `Make the image without it (mke2fs -O ^${foreign}), or build from the mounted files.`);
  }
}

/** @returns the names of all features, as dumpe2fs(8) prints them. */
export function featureNames(superblock: Superblock): string[] {
  return [
    ...compat.names(superblock.featureCompat), ...incompat.names(superblock.featureIncompat), ...roCompat.names(superblock.featureRoCompat),
  ];
}
