/** An image file that is being pulled: frames come in any order, each to its place; index and seek table follow from the entries. */
import { PieceFiller } from '../bytes/piece-filler.js';
import { decodeHead } from '../chunk/head.js';
import { IndexWriter } from '../chunk/index-writer.js';
import { tailParts } from '../chunk/tail.js';
import { hasCode } from '../errors.js';
import { HEAD_MAX_SIZE, ZSTD_FRAME_MAGIC } from '../format/container.js';
import type { Image } from '../image/image.js';
import { KiB } from '../units.js';
import type { ChunkTable } from './chunk-table.js';
import type { FrameCheck } from './frame-check.js';
import { ResumableFile } from './resumable-file.js';

/** Frames that lie one after another are written together; a run that is killed has lost so much at most. */
const WRITE_SIZE = 64 * KiB;

export class PartialImage {
  /** Of frames, by this run. */
  written = 0;
  private readonly buffer = new PieceFiller(WRITE_SIZE, (piece) => this.write(piece));
  /** Where in the file the buffer begins. */
  private position = 0;
  private last: { readonly number: number; readonly frame: Uint8Array } | undefined;

  private constructor(private readonly file: ResumableFile, private readonly image: Image, private readonly table: ChunkTable) {}

  /** Goes on with what an earlier run has left of this very image, else begins. @throws what ResumableFile.open throws; NO_SPACE */
  static open(output: string, image: Image, table: ChunkTable): PartialImage {
    const file = ResumableFile.open(output);
    const partial = new PartialImage(file, image, table);
    try {
      if (!partial.continues()) file.resize(0);
      file.write(image.headBytes, 0);
      return partial;
    } catch (error) {
      file.close();
      throw error;
    }
  }

  /** @returns frames that an earlier run has left whole; changes nothing */
  static findKept(output: string, image: Image, table: ChunkTable, check: FrameCheck): Set<number> {
    const file = ResumableFile.open(output);
    try {
      const partial = new PartialImage(file, image, table);
      return partial.continues() ? partial.wholeFrames(check) : new Set();
    } finally {
      file.close();
    }
  }

  /** Where it is until it is complete. */
  get path(): string {
    return this.file.temporaryPath;
  }

  /** @param frame of this chunk; checked */
  keep(number: number, frame: Uint8Array): void {
    const { frameOffset } = this.table.place(number);
    if (this.position + this.buffer.waiting.length !== frameOffset) {
      this.flush();
      this.position = frameOffset;
    }
    this.buffer.add(frame);
    this.written += frame.length;
  }

  /** Puts the frame of one chunk in the place of another that is the same. */
  repeat(number: number, original: number): void {
    if (this.last?.number !== original) this.last = { number: original, frame: this.read(original) };
    this.keep(number, this.last.frame);
  }

  /** @returns the frame of a chunk that was kept */
  read(number: number): Uint8Array {
    const { frameOffset, frameSize } = this.table.place(number);
    if (frameOffset + frameSize > this.position) this.flush();
    return this.file.read(frameOffset, frameSize);
  }

  /** Index and seek table, when all frames are here. */
  writeTail(): void {
    const { image: { head: { headSize, indexOffset }, manifest: { raw, index: { chunkSize } } }, table, file } = this;
    this.flush();
    const writer = new IndexWriter();
    for (let number = 0; number < table.count; number++) {
      const { frameSize, id } = table.place(number);
      writer.add(frameSize, id, 0);
    }
    let end = indexOffset;
    for (const part of tailParts(writer.finish().pages, { headSize, frameSizes: table.frameSizes(), rawSize: raw.size, chunkSize })) {
      file.write(part, end);
      end += part.length;
    }
    file.resize(end);
  }

  /** Gives it its name. */
  commit(): void {
    this.file.commit();
  }

  /** Also of a run that has failed: what came before that is kept where there is room. */
  close(): void {
    try {
      this.flush();
    } catch (error) {
      if (!hasCode(error)) throw error;
    } finally {
      this.file.close();
    }
  }

  private flush(): void {
    this.write(this.buffer.waiting);
    this.buffer.clear();
  }

  private write(bytes: Uint8Array): Uint8Array {
    if (bytes.length > 0) this.file.write(bytes, this.position);
    this.position += bytes.length;
    return bytes;
  }

  /** The frames of another image may decode to the same chunks, but are not those of this one. */
  private continues(): boolean {
    try {
      const { manifest, headSize, indexOffset } = decodeHead(this.file.read(0, HEAD_MAX_SIZE));
      const { head } = this.image;
      return headSize === head.headSize && indexOffset === head.indexOffset && Buffer.compare(manifest, head.manifest) === 0;
    } catch (error) {
      if (hasCode(error)) return false;
      throw error;
    }
  }

  private wholeFrames(check: FrameCheck): Set<number> {
    const kept = new Set<number>();
    for (let number = 0; number < this.table.count; number++) {
      const { frameOffset, frameSize } = this.table.place(number);
      const start = this.file.read(frameOffset, Math.min(4, frameSize));
      if (start.length < 4 || new DataView(start.buffer, start.byteOffset).getUint32(0, true) !== ZSTD_FRAME_MAGIC) continue; // a hole
      if (check.passes(number, this.read(number))) kept.add(number);
    }
    return kept;
  }
}
