/** Collects operations and what they need, and writes them in batches that a reader can hold. */
import { crc32c } from '../bytes/crc32c.js';
import { equalRun } from '../bytes/equal-run.js';
import type { Codec } from '../codec/codec.js';
import { ByteSink } from '../bytes/varint.js';
import {
  batchHeader, DIFFERENCE_SIZE, OPERATION_KIND_COUNT, PATCH_LIMITS, PATCH_MAGIC, PATCH_OPERATIONS, PATCH_STREAMS, PATCH_VERSION, patchHeader,
  type BatchHeader, type OperationKind, type PatchHeader, type PatchStream,
} from '../format/patch.js';
import { MiB } from '../units.js';
import type { RawRange } from './extents.js';

/** An operation of 1 MiB can need this much: a gap and five bytes of a value for every fourth byte. */
const NEED_MAX = 2 * MiB;
/** Bytes of one `old` at most. */
export const PIECE_SIZE = MiB;
/** Operations that belong to no bytes merge without end; a reader should not have to take this for granted. */
const LENGTH_MAX = 2 ** 40;

export interface PatchOutput {
  readonly codec: Codec;
  readonly level: number;
  readonly write: (bytes: Uint8Array) => void;
}

type HeaderFacts = Omit<PatchHeader, 'magic' | 'version' | 'headSize' | 'headFrameSize' | 'checksum' | 'pad1'>;

export class PatchWriter {
  /** Compressed bytes of each stream so far. */
  readonly sizes: Record<PatchStream, number> = { operations: 0, gaps: 0, values: 0, literals: 0 };
  private readonly streams: Readonly<Record<PatchStream, ByteSink>> = { operations: new ByteSink(), gaps: new ByteSink(), values: new ByteSink(), literals: new ByteSink() };
  /** An operation that may still grow. */
  private open: { readonly kind: OperationKind; length: number; readonly offset: number } | undefined;
  /** Where the last `old` and `same` of this batch ended. */
  private ends = { old: 0, same: 0 };
  /** Unchanged bytes of `old` operations since the last difference. */
  private gap = 0;
  private number = 0;
  private rawStart = 0;
  private raw = 0;
  /** Of the content that is being described: bytes to come, and where the last `old` ended in what was opened. */
  private content = { left: 0, end: 0 };

  constructor(private readonly output: PatchOutput) {}

  /** First. @param head of the new image */
  begin(facts: HeaderFacts, head: Uint8Array): void {
    const frame = this.compress(head);
    this.output.write(withChecksum(patchHeader, { ...facts, magic: PATCH_MAGIC, version: PATCH_VERSION, headSize: head.length, headFrameSize: frame.length }, [frame]));
    this.output.write(frame);
  }

  /** @param offset of `old` in the old raw image, or in what a gzip opened. @param now what becomes of these bytes; as many */
  old(offset: number, old: Uint8Array, now: Uint8Array): void {
    for (let at = 0; at < now.length; at += PIECE_SIZE) this.oldPiece(offset + at, old.subarray(at, at + PIECE_SIZE), now.subarray(at, at + PIECE_SIZE));
  }

  /** The same where nothing changes. */
  unchanged(offset: number, length: number): void {
    for (let at = 0; at < length; at += PIECE_SIZE) {
      const count = Math.min(PIECE_SIZE, length - at);
      this.end();
      this.makeRoom();
      this.put('old', count, offset + at);
      this.gap += count;
      this.advance(count);
    }
  }

  private oldPiece(offset: number, old: Uint8Array, now: Uint8Array): void {
    this.end();
    this.makeRoom();
    this.put('old', now.length, offset);
    const { gaps, values } = this.streams;
    for (let at = 0; at < now.length;) {
      const run = equalRun(now, at, old, at, now.length - at);
      this.gap += run;
      at += run;
      if (at === now.length) break;
      gaps.addNumber(this.gap);
      this.gap = 0;
      const size = Math.min(DIFFERENCE_SIZE, now.length - at);
      values.addSigned((littleEndian(now, at, size) - littleEndian(old, at, size)) | 0);
      at += size;
    }
    this.advance(now.length);
  }

  /** @param bytes copied */
  literal(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + MiB - (this.open?.kind === 'literal' ? this.open.length : 0));
      this.extend('literal', part.length, 0);
      this.streams.literals.add(part);
      this.advance(part.length);
      at += part.length;
      if (this.open?.length === MiB) this.end();
    }
  }

  /**
   * The next `old` and `literal`, until there are `content` bytes, make what `gzip -9` compresses.
   *
   * @param made bytes that it becomes, with the trailer
   * @param ranges of the old raw image: the deflate stream that these `old` mean
   * @param room what they take of a batch at most: a content is not divided
   */
  gzip(made: number, content: number, ranges: readonly RawRange[], room: number): void {
    this.end();
    this.makeRoom(room + 20 * ranges.length);
    const { operations } = this.streams;
    this.put('gzip', made, 0);
    operations.addNumber(content);
    operations.addNumber(ranges.length);
    for (const { offset, length } of ranges) {
      operations.addNumber(length);
      operations.addSigned(offset - this.ends.old);
      this.ends.old = offset + length;
    }
    this.raw += made;
    this.content = { left: content, end: 0 };
  }

  zeros(length: number): void {
    this.extend('zeros', length, 0);
    this.raw += length;
  }

  hashes(length: number): void {
    this.extend('hashes', length, 0);
    this.raw += length;
  }

  /** @param chunk number in the old image. @param size of the chunk */
  same(chunk: number, size: number): void {
    this.extend('same', 1, chunk);
    this.raw += size;
  }

  /** @param size of the chunk */
  frame(bytes: Uint8Array, size: number): void {
    this.end();
    this.makeRoom();
    this.put('frame', bytes.length, 0);
    this.streams.literals.add(bytes);
    this.raw += size;
  }

  finish(): void {
    this.flush();
    this.output.write(withChecksum(batchHeader, { number: this.number, rawStart: BigInt(this.raw), rawEnd: BigInt(this.raw) }, []));
  }

  private extend(kind: 'literal' | 'zeros' | 'hashes' | 'same', length: number, offset: number): void {
    const { open } = this;
    if (open?.kind === kind && open.length + length < LENGTH_MAX && (kind !== 'same' || open.offset + open.length === offset)) {
      open.length += length;
      return;
    }
    this.end();
    this.makeRoom();
    this.open = { kind, length, offset };
  }

  private end(): void {
    if (this.open !== undefined) this.put(this.open.kind, this.open.length, this.open.offset);
    this.open = undefined;
  }

  private put(kind: OperationKind, length: number, offset: number): void {
    const { streams: { operations }, content } = this;
    operations.addNumber(length * OPERATION_KIND_COUNT + PATCH_OPERATIONS[kind]);
    if (kind !== 'old' && kind !== 'same') return;
    operations.addSigned(offset - (content.left > 0 ? content.end : this.ends[kind]));
    if (content.left > 0) content.end = offset + length;
    else this.ends[kind] = offset + length;
  }

  /** Bytes of the image, or of the content of a gzip, were described. */
  private advance(count: number): void {
    if (this.content.left === 0) this.raw += count;
    else if ((this.content.left -= count) === 0) this.end();
  }

  /** Between operations. */
  private makeRoom(need = NEED_MAX): void {
    if (this.content.left === 0 && PATCH_STREAMS.reduce((sum, name) => sum + this.streams[name].length, need) > PATCH_LIMITS.batch) this.flush();
  }

  private flush(): void {
    this.end();
    if (this.streams.operations.length > 0) this.writeBatch();
    for (const name of PATCH_STREAMS) this.streams[name].clear();
    [this.ends, this.gap, this.rawStart] = [{ old: 0, same: 0 }, 0, this.raw];
  }

  private writeBatch(): void {
    const header: Partial<BatchHeader> = { number: this.number++, rawStart: BigInt(this.rawStart), rawEnd: BigInt(this.raw) };
    const frames = PATCH_STREAMS.map((name) => {
      const bytes = this.streams[name].view();
      const frame = bytes.length === 0 ? bytes : this.compress(bytes);
      Object.assign(header, { [`${name}Size`]: bytes.length, [`${name}FrameSize`]: frame.length });
      this.sizes[name] += frame.length;
      return frame;
    });
    this.output.write(withChecksum(batchHeader, header, frames));
    frames.forEach(this.output.write);
  }

  private compress(bytes: Uint8Array): Uint8Array {
    const { codec, level } = this.output;
    const frame = new Uint8Array(codec.bound(bytes.length));
    return frame.slice(0, codec.compress(bytes, frame, level));
  }
}

function littleEndian(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = size - 1; i >= 0; i--) value = value << 8 | bytes[at + i]!;
  return value;
}

interface Checksummed<V> { encode(value: Partial<V>): Uint8Array }

/** @returns the record with the crc32c over it and over what follows it */
function withChecksum<V extends { checksum: number }>(record: Checksummed<V>, value: Partial<V>, followers: readonly Uint8Array[]): Uint8Array {
  const checksum = followers.reduce((crc, bytes) => crc32c(crc, bytes), crc32c(0xffff_ffff, record.encode(value)));
  return record.encode({ ...value, checksum });
}
