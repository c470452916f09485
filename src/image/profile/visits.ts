/**
 * From raw reads to files: which path had which blocks. Only what was read itself is looked at: a file can be read only
 * after its directory and its inode were, so the walk goes from the root through directories and inodes that are among the reads.
 */
import type { ByteString } from '../../bytes/byte-string.js';
import { ifHere, type RandomAccess } from '../../bytes/random-access.js';
import { mapRuns } from '../../ext4/reader/mapping.js';
import type { Ext4Inode } from '../../ext4/reader/inode.js';
import { Ext4Reader } from '../../ext4/reader/reader.js';
import { BLOCK_SIZE } from '../../units.js';
import type { BlockLog } from './block-log.js';
import { digestRanges } from './locate.js';
import { PROFILE_MAX_RANGES, type ByteRange, type ProfileVisit } from './profile.js';

/** Bytes of the image that belong to a path. */
interface Interval {
  readonly start: number;
  readonly end: number;
  readonly path: ByteString;
  readonly inode: Ext4Inode;
  /** Offset in the file of `start`. */
  readonly logical: number;
}

/**
 * @param image throws ChunkMissing for what is not here: such parts are passed over
 * @param log what was read, in order
 * @returns what was read of which path, in that order. Reads that belong to no path (superblock, bitmaps) are left out: every mount needs them
 */
export function visitsOf(image: RandomAccess, log: BlockLog): ProfileVisit[] {
  const map = new ReadMap(image, log);
  const visits: { path: ByteString; inode: Ext4Inode; ranges: { offset: number; length: number }[] }[] = [];
  for (const { offset, length } of log.ranges()) {
    for (const { start, end, path, inode, logical } of map.meeting(offset, offset + length)) {
      const from = logical + Math.max(0, offset - start);
      const size = Math.min(logical + Math.min(end, offset + length) - start, inode.size) - from;
      if (size <= 0) continue;
      const last = visits.at(-1);
      const range = last?.ranges.at(-1);
      if (last?.path !== path || last.ranges.length === PROFILE_MAX_RANGES) visits.push({ path, inode, ranges: [{ offset: from, length: size }] });
      else if (range!.offset + range!.length === from) range!.length += size;
      else last.ranges.push({ offset: from, length: size });
    }
  }
  const contents = visits.map(({ path, inode, ranges }): ProfileVisit => {
    const digest = inode.kind === 'file' ? map.digest(inode, ranges) : undefined;
    return { path, ranges, ...(digest === undefined ? {} : { digest }) };
  });
  return [...contents, ...map.lookedUp(contents).map((path): ProfileVisit => ({ path, ranges: [] }))];
}

class ReadMap {
  private readonly reader: Ext4Reader;
  private readonly intervals: Interval[] = [];
  /** Block of an inode table that was read -> the paths of its inodes. */
  private readonly tables = new Map<number, ByteString[]>();

  constructor(image: RandomAccess, private readonly log: BlockLog) {
    this.reader = new Ext4Reader(image);
    ifHere(() => { this.walk(this.reader.inode(Ext4Reader.rootInode), '/'); });
    this.intervals.sort((a, b) => a.start - b.start);
  }

  /** @returns the intervals that meet [start, end), ascending; of several with the same start (shared blocks) the first found */
  meeting(start: number, end: number): Interval[] {
    let [low, high] = [0, this.intervals.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.intervals[middle]!.end <= start) low = middle + 1;
      else high = middle;
    }
    const found: Interval[] = [];
    for (let i = low; i < this.intervals.length && this.intervals[i]!.start < end; i++) {
      if (this.intervals[i]!.start >= (found.at(-1)?.end ?? 0)) found.push(this.intervals[i]!);
    }
    return found;
  }

  digest(inode: Ext4Inode, ranges: readonly ByteRange[]): string | undefined {
    return ifHere(() => digestRanges(this.reader, inode, ranges));
  }

  /** @returns a path for each block of inodes that was read although nothing of its files was */
  lookedUp(visits: readonly ProfileVisit[]): ByteString[] {
    const visited = new Set(visits.map(({ path }) => path));
    return [...this.tables.values()].filter((paths) => !paths.some((path) => visited.has(path))).map(([first]) => first!);
  }

  private walk(directory: Ext4Inode, path: ByteString): void {
    if (directory.mapping !== 'inline') {
      this.addIntervals(directory, path);
      if (!this.wasRead(directory)) return;
    }
    for (const { name, inode: number } of ifHere(() => this.reader.list(directory.number)) ?? []) {
      const child = path === '/' ? `/${name}` : `${path}/${name}`;
      ifHere(() => {
        const block = Math.floor(this.reader.volume.inodeOffset(number) / BLOCK_SIZE);
        if (!this.log.has(block)) return;
        const inode = this.reader.inode(number);
        this.tables.set(block, [...this.tables.get(block) ?? [], child]);
        if (inode.kind === 'directory') this.walk(inode, child);
        else if (inode.kind === 'file') this.addIntervals(inode, child);
      });
    }
  }

  private addIntervals(inode: Ext4Inode, path: ByteString): void {
    const { blockSize } = this.reader;
    for (const { logical, physical, count } of mapRuns(this.reader.volume, inode)) {
      this.intervals.push({ start: physical * blockSize, end: (physical + count) * blockSize, path, inode, logical: logical * blockSize });
    }
  }

  private wasRead(inode: Ext4Inode): boolean {
    const scale = this.reader.blockSize / BLOCK_SIZE;
    return mapRuns(this.reader.volume, inode).some(({ physical, count }) => this.log.hasAny(Math.floor(physical * scale), Math.ceil((physical + count) * scale)));
  }
}
