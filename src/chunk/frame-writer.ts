/** Chunk frames in file order: writes what the threads made, and runs of zero chunks from a single frame. */
import type { Codec } from '../codec/codec.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import { MiB } from '../units.js';
import { IndexWriter } from './index-writer.js';
import type { Slot } from './slot.js';
import { zeroChunkId } from './zero-chunk.js';

export interface FrameWriterOptions {
  readonly chunkSize: number;
  readonly salt: Uint8Array;
  readonly codec: Codec;
  readonly level: number;
  /** File offset of the first frame. */
  readonly offset: number;
  readonly write: (bytes: Uint8Array, position: number) => void;
}

interface ZeroChunk { readonly frame: Uint8Array; readonly id: Uint8Array }

export class FrameWriter {
  readonly index = new IndexWriter();
  private position: number;
  private readonly zeroChunks = new Map<number, ZeroChunk>();

  constructor(private readonly options: FrameWriterOptions) {
    this.position = options.offset;
  }

  /** File offset behind the last frame. */
  get end(): number {
    return this.position;
  }

  /** @param slot that holds a packed batch; nothing of it is kept @param chunkCount of the batch */
  add({ frames, frameSizes, ids }: Slot, chunkCount: number): void {
    let size = 0;
    for (let i = 0; i < chunkCount; i++) {
      this.index.add(frameSizes[i]!, ids, i * DIGEST_SIZE);
      size += frameSizes[i]!;
    }
    this.options.write(frames.subarray(0, size), this.position);
    this.position += size;
  }

  /** @param size raw bytes of zeros, a multiple of 4096; the last chunk may be short */
  addZeros(size: number): void {
    const { chunkSize } = this.options;
    const whole = Math.floor(size / chunkSize);
    if (whole > 0) this.repeat(this.zeroChunk(chunkSize), whole);
    if (size % chunkSize > 0) this.repeat(this.zeroChunk(size % chunkSize), 1);
  }

  private repeat({ frame, id }: ZeroChunk, count: number): void {
    const perWrite = Math.min(count, Math.floor(MiB / frame.length));
    const run = new Uint8Array(perWrite * frame.length);
    for (let at = 0; at < run.length; at += frame.length) run.set(frame, at);
    for (let left = count; left > 0; left -= perWrite) {
      const bytes = run.subarray(0, Math.min(left, perWrite) * frame.length);
      this.options.write(bytes, this.position);
      this.position += bytes.length;
    }
    for (let i = 0; i < count; i++) this.index.add(frame.length, id, 0);
  }

  private zeroChunk(size: number): ZeroChunk {
    let chunk = this.zeroChunks.get(size);
    if (chunk === undefined) {
      const { codec, level, salt } = this.options;
      const zeros = new Uint8Array(size);
      const frame = new Uint8Array(codec.bound(size));
      const frameSize = codec.compress(zeros, frame, level);
      chunk = { frame: frame.subarray(0, frameSize), id: zeroChunkId(size, salt) };
      this.zeroChunks.set(size, chunk);
    }
    return chunk;
  }
}
