/** The metadata of an image that may be far away is fetched in two large steps, not one block after another. */
import type { RandomAccess } from '../bytes/random-access.js';
import { clip } from '../ext4/reader/content.js';
import { readInode } from '../ext4/reader/inode.js';
import { mapRuns } from '../ext4/reader/mapping.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import type { ReadOptions } from '../source/range-source.js';
import type { Image } from './image.js';

interface Range { readonly offset: number; readonly length: number }

/** Fetches inode tables, then directories, symlinks and xattrs, into the image's memory. @throws what reading the image throws */
export async function prefetchMetadata(image: Image, options: ReadOptions = {}): Promise<void> {
  await image.prefetch(await image.run(inodeTables, options), options);
  await image.prefetch(await image.run(namesAndXattrs, options), options);
}

function inodeTables(view: RandomAccess): Range[] {
  return tablesOf(new Ext4Reader(view));
}

function tablesOf({ volume }: Ext4Reader): Range[] {
  return usedTables(volume).map(({ start, count }) => ({ offset: volume.inodeOffset(start), length: count * volume.inodeSize }));
}

/** @returns where the inode tables end, as far as they are used: bytes from the start of the image */
export function tablesEnd(reader: Ext4Reader): number {
  return tablesOf(reader).reduce((end, { offset, length }) => Math.max(end, offset + length), 0);
}

/** Blocks of directories, slow symlinks and xattrs. */
function namesAndXattrs(view: RandomAccess): Range[] {
  const { volume } = new Ext4Reader(view);
  const ranges: Range[] = [];
  for (const { start, count } of usedTables(volume)) {
    for (let number = start; number < start + count; number++) {
      const inode = number < volume.firstFileInode && number !== Ext4Reader.rootInode ? undefined : readInode(volume, number);
      if (inode === undefined) continue;
      if (inode.xattrBlock !== 0) ranges.push({ offset: inode.xattrBlock * volume.blockSize, length: volume.blockSize });
      if (inode.kind === 'file' || inode.mapping === 'none' || inode.mapping === 'inline') continue;
      for (const run of mapRuns(volume, inode, 0, Math.ceil(inode.size / volume.blockSize))) {
        const extent = clip(volume, run, 0, inode.size);
        if (extent !== undefined) ranges.push({ offset: extent.physical, length: extent.length });
      }
    }
  }
  return ranges;
}

/** @returns inodes that may be in use: the first of a group's, and how many */
function usedTables(volume: Ext4Reader['volume']): { readonly start: number; readonly count: number }[] {
  return Array.from({ length: volume.layout.groupCount }, (_, number) => {
    const { inodesUninitialised, unusedInodes } = volume.group(number);
    return { start: number * volume.inodesPerGroup + 1, count: inodesUninitialised ? 0 : volume.inodesPerGroup - unusedInodes };
  }).filter(({ count }) => count > 0);
}
