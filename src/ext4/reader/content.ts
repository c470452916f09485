/** The content of files, symlinks and xattr value inodes: by range, so memory follows what is asked, not what a size claims. */
import { ChunkMissing } from '../../bytes/random-access.js';
import { inlinePieces } from './inline.js';
import type { Ext4Inode } from './inode.js';
import { mapRuns } from './mapping.js';
import type { Run } from './run.js';
import type { Volume } from './volume.js';

/** A stretch of content and where it lies. */
export interface Extent {
  /** Byte offset in the file. */
  readonly logical: number;
  /** Byte offset in the image. */
  readonly physical: number;
  /** Bytes. */
  readonly length: number;
  /** Allocated but never written: reads as zeros, whatever the image holds there. */
  readonly unwritten: boolean;
}

/** As {@link readContentInto}. @returns the bytes at [offset, offset + length), cut at the end of the file; the caller owns them */
export function readContent(volume: Volume, inode: Ext4Inode, offset: number, length: number): Uint8Array {
  const target = new Uint8Array(Math.max(0, Math.min(length, inode.size - offset)));
  readContentInto(volume, inode, offset, target);
  return target;
}

/**
 * Fills `target` with the content at `offset`: zeros for holes and unwritten extents, nothing beyond the end of the file.
 *
 * @returns how many bytes there were
 * @throws ChunkMissing naming the missing chunks of the whole range at once
 */
export function readContentInto(volume: Volume, inode: Ext4Inode, offset: number, target: Uint8Array): number {
  const end = Math.min(offset + target.length, inode.size);
  if (end <= offset) return 0;
  /** Up to here `target` is what it should be. */
  let filled = offset;
  const clearTo = (position: number): void => { target.fill(0, filled - offset, position - offset); };
  if (inode.mapping === 'inline') {
    clearTo(end);
    for (const { logical, bytes } of inlinePieces(volume, inode)) {
      const from = Math.max(offset, logical);
      if (from < end) target.set(bytes.subarray(from - logical, end - logical), from - offset);
    }
    return end - offset;
  }
  const { blockSize } = volume;
  const missing = new Set<number>();
  for (const run of mapRuns(volume, inode, Math.floor(offset / blockSize), Math.ceil(end / blockSize))) {
    const extent = clip(volume, run, offset, end);
    if (extent === undefined || extent.unwritten) continue;
    const { logical, physical, length } = extent;
    clearTo(logical);
    filled = logical + length;
    try {
      volume.readInto(target.subarray(logical - offset, filled - offset), physical);
    } catch (error) {
      if (!(error instanceof ChunkMissing)) throw error;
      for (const chunk of error.chunks) missing.add(chunk);
    }
  }
  if (missing.size > 0) throw new ChunkMissing([...missing].sort((a, b) => a - b));
  clearTo(end);
  return end - offset;
}

/**
 * @returns where the content lies in the image, ascending, clipped to the size; what no extent covers is zero. Inline data has none.
 */
export function contentExtents(volume: Volume, inode: Ext4Inode): Extent[] {
  return mapRuns(volume, inode, 0, Math.ceil(inode.size / volume.blockSize)).flatMap((run) => clip(volume, run, 0, inode.size) ?? []);
}

/** @returns the part of a run inside the bytes [from, to) of the file. */
export function clip(volume: Volume, run: Run, from: number, to: number): Extent | undefined {
  const start = run.logical * volume.blockSize;
  const logical = Math.max(from, start);
  const end = Math.min(to, start + run.count * volume.blockSize);
  if (end <= logical) return undefined;
  return { logical, physical: run.physical * volume.blockSize + logical - start, length: end - logical, unwritten: run.unwritten };
}
