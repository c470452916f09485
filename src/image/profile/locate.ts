/** Where what a profile names lies in an image: the inverse of {@link visitsOf} (visits.ts). */
import type { RandomAccess } from '../../bytes/random-access.js';
import { createHash } from 'node:crypto';
import { hasCode, ThawfsError } from '../../errors.js';
import { mapRuns } from '../../ext4/reader/mapping.js';
import type { Ext4Inode } from '../../ext4/reader/inode.js';
import { Ext4Reader } from '../../ext4/reader/reader.js';
import { MiB } from '../../units.js';
import type { ByteRange, ProfileVisit } from './profile.js';

/** A recording has every block once; what names more than this many times the image is crafted, and would take for ever. */
const MOST_SHARE = 2;
/** Bytes of a file that are hashed at a time. */
const DIGEST_STEP = MiB;

export class ProfileLocator {
  private reads: ByteRange[] = [];
  private readonly traced: RandomAccess;
  private opened: Ext4Reader | undefined;
  /** Content bytes located so far. */
  private located = 0;

  /** @param image may throw ChunkMissing */
  constructor(image: RandomAccess) {
    this.traced = {
      size: image.size,
      read: (offset, length) => {
        this.reads.push({ offset, length });
        return image.read(offset, length);
      },
    };
  }

  /**
   * @returns raw ranges in the order in which a reader needs them: the metadata on the way that no visit before needed, then the content.
   *   Undefined when the path is gone
   * @throws ChunkMissing when metadata on the way is not here; nothing is lost, ask again. LIMIT_EXCEEDED when visits name more than twice the image
   */
  locate({ path, ranges }: ProfileVisit): readonly ByteRange[] | undefined {
    this.reads = [];
    const inode = this.find(path);
    if (inode === undefined) return undefined;
    const { blockSize } = this.reader;
    for (const { offset, length } of ranges) {
      const end = Math.min(offset + length, inode.size);
      if (end <= offset) continue;
      const [from, to] = [Math.floor(offset / blockSize), Math.ceil(end / blockSize)];
      for (const { logical, physical, count } of mapRuns(this.reader.volume, inode, from, to)) {
        const [first, last] = [Math.max(logical, from), Math.min(logical + count, to)];
        if (last > first) this.add((physical + first - logical) * blockSize, (last - first) * blockSize);
      }
    }
    return this.reads;
  }

  /** @returns the digest of what a visit's ranges hold here; undefined when the path is gone or no file. @throws ChunkMissing */
  digest({ path, ranges }: ProfileVisit): string | undefined {
    const inode = this.find(path);
    return inode?.kind !== 'file' ? undefined : digestRanges(this.reader, inode, ranges);
  }

  /** Made when first needed: it reads the superblock, which may not be here yet. */
  private get reader(): Ext4Reader {
    this.opened ??= new Ext4Reader(this.traced);
    return this.opened;
  }

  private add(offset: number, length: number): void {
    this.located += length;
    if (this.located > MOST_SHARE * this.traced.size) {
      throw new ThawfsError('LIMIT_EXCEEDED', `profile: names more than ${MOST_SHARE} times what the image holds`, { detail: { record: 'profile', size: this.traced.size }, suggestion: 'Record the profile again.' });
    }
    this.reads.push({ offset, length });
  }

  private find(path: string): Ext4Inode | undefined {
    try {
      const { inode } = this.reader.resolve(path, { followSymlinks: false });
      this.reader.xattrs(inode);
      return inode;
    } catch (error) {
      if (hasCode(error, 'PATH_MISSING')) return undefined;
      throw error;
    }
  }
}

/** @returns SHA-256 over the bytes of these ranges, as far as the file goes, lowercase hex. @throws ChunkMissing */
export function digestRanges(reader: Ext4Reader, inode: Ext4Inode, ranges: readonly ByteRange[]): string {
  const hash = createHash('sha256');
  for (const { offset, length } of ranges) {
    const end = Math.min(offset + length, inode.size);
    for (let at = offset; at < end; at += DIGEST_STEP) hash.update(reader.read(inode, at, Math.min(DIGEST_STEP, end - at)));
  }
  return hash.digest('hex');
}

/** @returns the chunks of raw ranges, each once, in order of their first use */
export function chunksOf(ranges: Iterable<ByteRange>, chunkSize: number): Set<number> {
  const chunks = new Set<number>();
  for (const { offset, length } of ranges) for (let chunk = Math.floor(offset / chunkSize); chunk * chunkSize < offset + length; chunk++) chunks.add(chunk);
  return chunks;
}
