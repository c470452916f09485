/** Where the blocks of an inode lie: one answer for extent trees (ext4) and indirect blocks (ext2, ext3). */
import { beyondLimit } from './fault.js';
import { visitExtents } from './extent-tree.js';
import { visitIndirect } from './indirect.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import { ALL_BLOCKS, type MapVisitor, type Run } from './run.js';
import type { Volume } from './volume.js';

/**
 * Walks the map of `inode` where it meets the logical blocks [from, to). Only the map blocks on the way are read.
 * Every physical block reported lies inside the device; logical runs ascend and do not overlap.
 */
export function visitMap(volume: Volume, inode: Ext4Inode, from: number, to: number, visitor: MapVisitor): void {
  if (inode.mapping === 'extents') visitExtents(volume, inode, from, to, visitor);
  else if (inode.mapping === 'indirect') visitIndirect(volume, inode, from, to, visitor);
}

/**
 * @returns the runs that meet the logical blocks [from, to), not clipped, neighbours merged, ascending
 * @throws LIMIT_EXCEEDED when they hold more blocks than the device has: only a crafted map does, and it ends here
 */
export function mapRuns(volume: Volume, inode: Ext4Inode, from = 0, to = ALL_BLOCKS): Run[] {
  const runs: Run[] = [];
  let mapped = 0;
  visitMap(volume, inode, from, to, {
    run(next) {
      mapped += next.count;
      if (mapped > volume.blockCount) {
        throw beyondLimit(inodePlace(inode), 'block map', `holds more than the ${volume.blockCount} blocks of the device`);
      }
      const last = runs.at(-1);
      if (last !== undefined && last.unwritten === next.unwritten
        && last.logical + last.count === next.logical && last.physical + last.count === next.physical) {
        runs[runs.length - 1] = { ...last, count: last.count + next.count };
      } else {
        runs.push(next);
      }
    },
  });
  return runs;
}
