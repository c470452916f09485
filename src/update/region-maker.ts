/** Describes parts of the new raw image by the old one: each file by the file it was made from, the metadata by the metadata. */
import { Room } from '../bytes/room.js';
import type { Image } from '../image/image.js';
import type { DirectoryNode, FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import type { ChunkTable } from './chunk-table.js';
import type { CostlyRuns } from './costly-runs.js';
import type { Aligner, Alignment } from './delta.js';
import { Extents, type RawRange } from './extents.js';
import { GzipMaker } from './gzip-maker.js';
import type { PatchWriter } from './patch-writer.js';
import { haveSameBlocks } from './same-blocks.js';
import { regionsOf, type Region } from './regions.js';

/** Of a new file so much is compared at a time, with so much of the old file around the same place. */
const WINDOW_SIZE = 32 * MiB;
const OLD_WINDOW_SIZE = 64 * MiB;
const zeroBlock = Buffer.alloc(BLOCK_SIZE);

export interface RegionMakerOptions {
  readonly old: Image;
  readonly now: Image;
  readonly tables: readonly [old: ChunkTable, now: ChunkTable];
  readonly trees: readonly [old: DirectoryNode, now: DirectoryNode];
  readonly matches: ReadonlyMap<FileNode, FileNode>;
  readonly aligner: Aligner;
  readonly costly: CostlyRuns;
  readonly writer: PatchWriter;
  readonly options: ReadOptions;
}

/** Something of the new image, and what it is compared with. */
interface Subject {
  /** Absent of the metadata. */
  readonly file?: FileNode;
  readonly now: Extents;
  readonly old: Extents;
  /** Byte for byte: neither has to be read. */
  readonly isUnchanged: boolean;
}

interface Comparison {
  readonly subject: Subject;
  readonly from: number;
  readonly now: Uint8Array;
  /** Position of `old` in the old extents. */
  readonly oldFrom: number;
  readonly old: Uint8Array;
  readonly alignments: readonly Alignment[];
}

const nothing = new Extents([]);
const newRooms = (): { readonly now: Room; readonly old: Room } => ({ now: new Room(WINDOW_SIZE), old: new Room(OLD_WINDOW_SIZE) });

export class RegionMaker {
  readonly bytes = { copied: 0, data: 0 };
  private readonly regions: readonly Region[];
  /** Of the last file: its regions lie one after another. */
  private subject: Subject | undefined;
  /** Of files, and of the metadata: they alternate. */
  private readonly comparisons: { file?: Comparison; metadata?: Comparison } = {};
  private readonly rooms = { file: newRooms(), metadata: newRooms() };
  /** Of the last comparison: a large file takes several. */
  private compared: { readonly extents: Extents; readonly from: number; readonly bytes: Uint8Array } | undefined;
  private metadata: Subject | undefined;
  private readonly gzips: GzipMaker;

  constructor(private readonly to: RegionMakerOptions) {
    this.regions = regionsOf(to.trees[1], to.now.manifest.raw.fileSystemSize);
    this.gzips = new GzipMaker(to, this.bytes);
  }

  /** @param start, end in the new raw image; calls go forwards */
  async make(start: number, end: number): Promise<void> {
    const { writer, now: { manifest: { raw } } } = this.to;
    for (let i = this.firstAt(start); i < this.regions.length && this.regions[i]!.start < end; i++) {
      const region = this.regions[i]!;
      const [from, to] = [Math.max(region.start, start), Math.min(region.end, end)];
      if (region.file === undefined) {
        await this.makeMetadata(from, to);
        continue;
      }
      const subject = await this.subjectOf(region.file);
      if (subject.isUnchanged) {
        this.takeOver(subject.old, region.position + from - region.start, to - from);
        continue;
      }
      if (to - from === subject.now.size && await this.gzips.make(region.file, from, to - from)) continue;
      await this.makePart('file', subject, region.position + from - region.start, to - from);
    }
    if (end > raw.fileSystemSize) writer.hashes(end - Math.max(start, raw.fileSystemSize));
  }

  /** @returns where the region begins that has this offset in the new raw image */
  startOf(offset: number): number {
    return this.regions[this.firstAt(offset)]?.start ?? offset;
  }

  private firstAt(start: number): number {
    let [low, high] = [0, this.regions.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.regions[middle]!.end <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private async subjectOf(file: FileNode): Promise<Subject> {
    if (this.subject?.file === file) return this.subject;
    const match = this.to.matches.get(file);
    const [now, old] = [Extents.ofFile(file), match === undefined ? nothing : Extents.ofFile(match)];
    return this.subject = { file, now, old, isUnchanged: await haveSameBlocks({ image: this.to.old, extents: old }, { image: this.to.now, extents: now }, this.to.options) };
  }

  /** @param from position in the old file */
  private takeOver(old: Extents, from: number, length: number): void {
    for (const range of old.locate(from, length)) this.to.writer.unchanged(range.offset, range.length);
    this.bytes.copied += length;
  }

  private async makeMetadata(from: number, to: number): Promise<void> {
    const { old, now, tables, trees, writer, options } = this.to;
    this.metadata ??= {
      old: await dataOf(old, tables[0], regionsOf(trees[0], old.manifest.raw.fileSystemSize), options),
      now: await dataOf(now, tables[1], this.regions, options),
      isUnchanged: false,
    };
    let at = from;
    for (const { offset, length, position } of overlaps(this.metadata.now, from, to)) {
      if (offset > at) writer.zeros(offset - at);
      await this.makePart('metadata', this.metadata, position, length);
      at = offset + length;
    }
    if (to > at) writer.zeros(to - at);
  }

  /** The bytes of a subject at these positions, which are the next of the raw image. */
  private async makePart(kind: 'file' | 'metadata', subject: Subject, from: number, length: number): Promise<void> {
    for (let at = from; at < from + length;) {
      let comparison = this.comparisons[kind];
      if (comparison?.subject !== subject || at < comparison.from || at >= comparison.from + comparison.now.length) {
        this.comparisons[kind] = undefined as never; // its memory is needed
        comparison = this.comparisons[kind] = await this.compare(kind, subject, at - at % WINDOW_SIZE);
      }
      const end = Math.min(from + length, comparison.from + comparison.now.length);
      this.describe(comparison, at - comparison.from, end - comparison.from);
      at = end;
    }
  }

  private async compare(kind: 'file' | 'metadata', subject: Subject, from: number): Promise<Comparison> {
    const { now, old, options } = this.to;
    const bytes = this.rooms[kind].now.of(Math.min(WINDOW_SIZE, subject.now.size - from));
    await subject.now.readInto(bytes, now, from, options);
    if (subject.old.size === 0) return { subject, from, now: bytes, oldFrom: 0, old: new Uint8Array(0), alignments: [{ start: 0, length: bytes.length, old: -1 }] };
    const middle = Math.floor((from + bytes.length / 2) / subject.now.size * subject.old.size);
    const oldFrom = subject.old.size <= OLD_WINDOW_SIZE ? 0 : Math.max(0, Math.min(middle - OLD_WINDOW_SIZE / 2, subject.old.size - OLD_WINDOW_SIZE));
    if (this.compared?.extents !== subject.old || this.compared.from !== oldFrom) {
      this.compared = undefined; // its memory is needed
      const bytes = this.rooms[kind].old.of(Math.min(OLD_WINDOW_SIZE, subject.old.size - oldFrom));
      await subject.old.readInto(bytes, old, oldFrom, options);
      this.compared = { extents: subject.old, from: oldFrom, bytes };
    }
    const { bytes: oldBytes } = this.compared;
    // Inodes and directories come from anywhere, and take few chunks.
    const alignments = this.to.aligner.align(oldBytes, bytes, Math.max(0, from - oldFrom), kind === 'metadata' ? Infinity : undefined);
    return { subject, from, now: bytes, oldFrom, old: oldBytes, alignments: kind === 'metadata' ? alignments : this.to.costly.replace(alignments, oldBytes, bytes) };
  }

  private describe({ subject, now, old, oldFrom, alignments }: Comparison, from: number, to: number): void {
    const { writer } = this.to;
    let [low, high] = [0, alignments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (alignments[middle]!.start + alignments[middle]!.length <= from) low = middle + 1;
      else high = middle;
    }
    for (; low < alignments.length && alignments[low]!.start < to; low++) {
      const alignment = alignments[low]!;
      const [start, end] = [Math.max(alignment.start, from), Math.min(alignment.start + alignment.length, to)];
      if (alignment.old < 0) {
        writer.literal(now.subarray(start, end));
        this.bytes.data += end - start;
        continue;
      }
      let at = start;
      for (const { offset, length } of subject.old.locate(oldFrom + alignment.old + start - alignment.start, end - start)) {
        const place = alignment.old + at - alignment.start;
        writer.old(offset, old.subarray(place, place + length), now.subarray(at, at + length));
        at += length;
      }
      this.bytes.copied += end - start;
    }
  }
}

/** @returns what belongs to no file and is not zero, in whole blocks. Cost: all of that is read, but for chunks of zeros */
async function dataOf(image: Image, table: ChunkTable, regions: readonly Region[], options: ReadOptions): Promise<Extents> {
  const ranges: RawRange[] = [];
  let [start, end] = [0, 0];
  const flush = (): void => { if (end > start) ranges.push({ offset: start, length: end - start }); };
  for (const region of regions) {
    if (region.file !== undefined) continue;
    for (const part of partsWithData(region, table)) {
      for await (const { offset, bytes } of image.chunks(part.start, part.end, options)) {
        for (let at = 0; at < bytes.length; at += BLOCK_SIZE) {
          if (zeroBlock.compare(bytes, at, Math.min(at + BLOCK_SIZE, bytes.length)) === 0) continue;
          if (offset + at !== end) {
            flush();
            start = offset + at;
          }
          end = offset + at + BLOCK_SIZE;
        }
      }
    }
  }
  flush();
  return new Extents(ranges);
}

/** @returns what chunks of zeros leave of a region */
function* partsWithData({ start, end }: Region, table: ChunkTable): Generator<{ readonly start: number; readonly end: number }> {
  const { chunkSize } = table;
  let from = start;
  for (let number = Math.floor(start / chunkSize); number * chunkSize < end; number++) {
    if (!table.isZero(number)) continue;
    if (number * chunkSize > from) yield { start: from, end: number * chunkSize };
    from = Math.min(end, (number + 1) * chunkSize);
  }
  if (end > from) yield { start: from, end };
}

/** @returns the ranges of `extents` inside a part of the raw image, and their positions */
function* overlaps({ ranges }: Extents, from: number, to: number): Generator<RawRange & { readonly position: number }> {
  let position = 0;
  for (const { offset, length } of ranges) {
    const [start, end] = [Math.max(offset, from), Math.min(offset + length, to)];
    if (start < end) yield { offset: start, length: end - start, position: position + start - offset };
    position += length;
  }
}
