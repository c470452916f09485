/** Describes gzip files by their contents: the files differ from their first change on, the contents only where they changed. */
import { GzipNine } from '../codec/deflate/gzip-nine.js';
import { PATCH_LIMITS } from '../format/patch.js';
import type { Image } from '../image/image.js';
import type { FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { MiB } from '../units.js';
import type { Aligner, Alignment } from './delta.js';
import { Extents } from './extents.js';
import { looksLikeGzipNine, packGzipNine, readGzipMember, TRAILER_SIZE } from './gzip-member.js';
import { PIECE_SIZE, type PatchWriter } from './patch-writer.js';

/** Opening costs whoever applies the patch time: it must save so much of the file, and at least this. */
const SAVING_SHARE = 1 / 8;
const SAVING_MIN = 64;
/** What the operations of one content may take of a batch. */
const NEED_MAX = 5 * MiB;

export interface GzipMakerOptions {
  readonly old: Image;
  readonly now: Image;
  readonly matches: ReadonlyMap<FileNode, FileNode>;
  readonly aligner: Aligner;
  readonly writer: PatchWriter;
  readonly options: ReadOptions;
}

export class GzipMaker {
  private readonly compressor = new GzipNine();

  constructor(private readonly to: GzipMakerOptions, private readonly bytes: { copied: number; data: number }) {}

  /**
   * @param start where in the new raw image the file lies, in one piece
   * @param room bytes from there on that are the file's: whole blocks
   * @returns whether it was described; it was not when it is no gzip file, `gzip -9` makes another one of its content, or little would be saved
   */
  async make(file: FileNode, start: number, room: number): Promise<boolean> {
    const { old, now, matches, aligner, writer, options } = this.to;
    const { size } = file.content;
    if (size > PATCH_LIMITS.content || !looksLikeGzipNine(await now.read(start, Math.min(size, 16), options))) return false;
    const bytes = await now.read(start, size, options);
    const member = readGzipMember(bytes);
    if (member === undefined) return false;
    const match = matches.get(file);
    const oldExtents = Extents.ofFile(match ?? file);
    const oldBytes = match === undefined || match.content.size > PATCH_LIMITS.content ? new Uint8Array(0) : await oldExtents.read(old, 0, Math.min(match.content.size, oldExtents.size), options);
    const plain = aligner.align(oldBytes, bytes).reduce((sum, { length, old: place }) => sum + (place < 0 ? length : 0), 0);
    if (plain < Math.max(SAVING_MIN, size * SAVING_SHARE)) return false;
    const former = readGzipMember(oldBytes);
    const before = former?.content ?? new Uint8Array(0);
    const alignments = aligner.align(before, member.content);
    const need = alignments.reduce((sum, alignment) => sum + needOf(alignment, before, member.content), 0);
    const ranges = former === undefined ? [] : [...oldExtents.locate(former.headerSize, oldBytes.length - TRAILER_SIZE - former.headerSize)];
    if (need > NEED_MAX || ranges.length > PATCH_LIMITS.ranges) return false;
    if (Buffer.compare(packGzipNine(this.compressor, member.content), bytes.subarray(member.headerSize)) !== 0) return false;

    writer.literal(bytes.subarray(0, member.headerSize));
    writer.gzip(size - member.headerSize, member.content.length, ranges, need);
    for (const { start: from, length, old: place } of alignments) {
      this.bytes[place < 0 ? 'data' : 'copied'] += length;
      if (place < 0) writer.literal(member.content.subarray(from, from + length));
      else writer.old(place, before.subarray(place, place + length), member.content.subarray(from, from + length));
    }
    if (room > size) writer.zeros(room - size);
    return true;
  }
}

/** @returns bytes of a batch that an alignment takes at most */
function needOf({ start, length, old: place }: Alignment, old: Uint8Array, now: Uint8Array): number {
  const operations = 32 + 32 * Math.ceil(length / PIECE_SIZE);
  if (place < 0) return operations + length;
  let differing = 0;
  for (let i = 0; i < length; i++) if (old[place + i] !== now[start + i]) differing++;
  return operations + 13 * differing;
}
