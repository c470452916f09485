/** Reads a patch as it arrives, a batch at a time; nothing is believed before its checksum was compared. */
import { crc32c } from '../bytes/crc32c.js';
import type { Struct } from '../bytes/struct.js';
import { toSafeNumber } from '../bytes/struct.js';
import { NumberReader } from '../bytes/varint.js';
import type { Codec } from '../codec/codec.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE } from '../format/container.js';
import {
  batchHeader, OPERATION_KIND_COUNT, PATCH_LIMITS, PATCH_MAGIC, PATCH_OPERATIONS, PATCH_STREAMS, PATCH_VERSION, patchHeader,
  type BatchHeader, type OperationKind, type PatchHeader, type PatchStream,
} from '../format/patch.js';
import type { RawRange } from './extents.js';

export interface Operation {
  readonly kind: OperationKind;
  readonly length: number;
  readonly offset: number;
  /** Of a `gzip`. */
  readonly gzip?: GzipFacts;
  /** Makes bytes of the content of the last `gzip`, not of the image; `offset` counts in what that has opened. */
  readonly inside: boolean;
}

/** The size of the content, and where in the old file system the stream lies that its `old` operations mean; perhaps nowhere. */
export interface GzipFacts { readonly content: number; readonly ranges: readonly RawRange[] }

export interface PatchBatch {
  /** The part of the new raw image that it makes. */
  readonly rawStart: number;
  readonly rawEnd: number;
  readonly operations: Iterable<Operation>;
  readonly gaps: NumberReader;
  readonly values: NumberReader;
  readonly literals: Uint8Array;
}

/** Compressed bytes of each stream, and of the head. */
export type PatchSizes = Readonly<Record<PatchStream | 'head', number>>;

/** Frames of limited content are not longer than this. */
const frameBound = (size: number): number => size + (size >> 7) + 1024;
const kinds = new Map(Object.entries(PATCH_OPERATIONS).map(([kind, number]) => [number as number, kind as OperationKind]));

export class PatchReader {
  /** So far, and of the last batch. */
  readonly sizes = { head: 0, operations: 0, gaps: 0, values: 0, literals: 0 };
  readonly batchSizes = { head: 0, operations: 0, gaps: 0, values: 0, literals: 0 };
  private readonly input: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);
  private number = 0;
  /** Memory for the streams of a batch. */
  private readonly memory = Buffer.allocUnsafeSlow(PATCH_LIMITS.batch);

  constructor(input: AsyncIterable<Uint8Array>, private readonly codec: Codec) {
    this.input = input[Symbol.asyncIterator]();
  }

  /** Batches so far, the end among them. */
  get batchCount(): number {
    return this.number;
  }

  /** @throws BAD_MAGIC, VERSION_UNSUPPORTED, TRUNCATED, CHECKSUM_MISMATCH, LIMIT_EXCEEDED, BAD_FIELD */
  async begin(): Promise<{ readonly header: PatchHeader; readonly head: Uint8Array }> {
    const bytes = await this.take(patchHeader.size);
    if (!Buffer.from(PATCH_MAGIC).equals(bytes.subarray(0, PATCH_MAGIC.length))) {
      throw new ThawfsError('BAD_MAGIC', 'this is no thawfs patch', { detail: { record: patchHeader.name }, suggestion: 'Name a file that thawfs diff -o has written.' });
    }
    const header = patchHeader.decode(bytes);
    if (header.version !== PATCH_VERSION) throw new ThawfsError('VERSION_UNSUPPORTED', `patch: version ${header.version}, this program reads ${PATCH_VERSION}`, { detail: { version: header.version }, suggestion: 'Use a newer thawfs.' });
    limit('headSize', header.headSize, HEAD_MAX_SIZE);
    limit('headFrameSize', header.headFrameSize, frameBound(HEAD_MAX_SIZE));
    const frame = await this.take(header.headFrameSize);
    compareChecksum(patchHeader, header, bytes, [frame], 'header');
    for (const field of ['fileSize', 'baseHashOffset', 'baseRawSize'] as const) toSafeNumber(header[field], `patch header.${field}`);
    this.sizes.head = frame.length;
    const head = new Uint8Array(header.headSize);
    this.codec.decompress(frame, head);
    return { header, head };
  }

  /**
   * @param from raw bytes of the new image that are there already: batches before them are not decompressed
   * @returns undefined at the end; good until the next call. @throws as {@link PatchReader.begin}
   */
  async next(from = 0): Promise<PatchBatch | undefined> {
    for (;;) {
      const held = await this.nextFrames();
      if (held === undefined || held.rawEnd > from) return held === undefined ? undefined : this.open(held);
    }
  }

  private open({ header, frames, rawStart, rawEnd }: HeldBatch): PatchBatch {
    let used = 0;
    const [operations, gaps, values, literals] = PATCH_STREAMS.map((name, i) => {
      const stream = this.memory.subarray(used, used += header[`${name}Size`]);
      if (stream.length > 0) this.codec.decompress(frames[i]!, stream);
      return stream;
    }) as Uint8Array[] as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    return { rawStart, rawEnd, operations: decodeOperations(operations), gaps: new NumberReader(gaps, 'patch gaps'), values: new NumberReader(values, 'patch values'), literals };
  }

  private async nextFrames(): Promise<HeldBatch | undefined> {
    const bytes = await this.take(batchHeader.size);
    const header = batchHeader.decode(bytes);
    limit('batch', PATCH_STREAMS.reduce((sum, name) => sum + header[`${name}Size`], 0), PATCH_LIMITS.batch);
    const frames: Uint8Array[] = [];
    for (const name of PATCH_STREAMS) {
      limit(`${name}FrameSize`, header[`${name}FrameSize`], frameBound(header[`${name}Size`]));
      frames.push(await this.take(header[`${name}FrameSize`]));
    }
    compareChecksum(batchHeader, header, bytes, frames, `batch ${this.number}`);
    if (header.number !== this.number++) throw bad('number', `is ${header.number}, ${this.number - 1} comes next`);
    PATCH_STREAMS.forEach((name, i) => { this.sizes[name] += this.batchSizes[name] = frames[i]!.length; });
    if (header.operationsSize > 0) return { header, frames, rawStart: toSafeNumber(header.rawStart, 'patch batch.rawStart'), rawEnd: toSafeNumber(header.rawEnd, 'patch batch.rawEnd') };
    await this.requireEnd();
    return undefined;
  }

  private async requireEnd(): Promise<void> {
    if (this.rest.length > 0 || (await this.input.next()).done !== true) throw bad('end', 'is followed by more');
  }

  private async take(size: number): Promise<Uint8Array> {
    const parts = [this.rest];
    let have = this.rest.length;
    while (have < size) {
      const { done, value } = await this.input.next() as IteratorResult<Uint8Array, undefined>;
      if (done === true) throw new ThawfsError('TRUNCATED', `patch: ends after ${have} of ${size} bytes of a record`, { detail: { record: 'patch' }, suggestion: 'Fetch the patch again.' });
      parts.push(value);
      have += value.length;
    }
    const all = parts.length === 1 ? this.rest : Buffer.concat(parts);
    this.rest = all.subarray(size);
    return all.subarray(0, size);
  }
}

interface HeldBatch { readonly header: BatchHeader; readonly frames: readonly Uint8Array[]; readonly rawStart: number; readonly rawEnd: number }

function* decodeOperations(bytes: Uint8Array): Generator<Operation> {
  const numbers = new NumberReader(bytes, 'patch operations');
  const ends = { old: 0, same: 0, opened: 0 };
  const offsetFrom = (end: keyof typeof ends, length: number): number => {
    const offset = ends[end] + numbers.nextSigned();
    if (offset < 0) throw bad('operation', 'begins before the old image');
    ends[end] = offset + length;
    return offset;
  };
  let inside = 0; // bytes that the content of a gzip still wants
  while (!numbers.done) {
    const first = numbers.next();
    const kind = kinds.get(first % OPERATION_KIND_COUNT);
    const length = Math.floor(first / OPERATION_KIND_COUNT);
    if (kind === undefined || length === 0) throw bad('operation', 'is none that is known');
    if (kind === 'old' || kind === 'literal' || kind === 'frame') limit('operation', length, PATCH_LIMITS.operation);
    if (inside > 0) {
      if ((kind !== 'old' && kind !== 'literal') || length > inside) throw bad('operation', 'does not belong to the content of a gzip');
      inside -= length;
      yield { kind, length, offset: kind === 'old' ? offsetFrom('opened', length) : 0, inside: true };
    } else if (kind === 'gzip') {
      limit('operation', length, PATCH_LIMITS.content);
      inside = numbers.next();
      limit('content', inside, PATCH_LIMITS.content);
      if (inside === 0) throw bad('operation', 'makes a gzip of nothing');
      const count = numbers.next();
      limit('ranges', count, PATCH_LIMITS.ranges);
      const ranges: RawRange[] = [];
      for (let left: number = PATCH_LIMITS.content; ranges.length < count; left -= ranges.at(-1)!.length) {
        const size = numbers.next();
        limit('operation', size, left);
        ranges.push({ length: size, offset: offsetFrom('old', size) });
      }
      ends.opened = 0;
      yield { kind, length, offset: 0, gzip: { content: inside, ranges }, inside: false };
    } else yield { kind, length, offset: kind === 'old' || kind === 'same' ? offsetFrom(kind, length) : 0, inside: false };
  }
  if (inside > 0) throw bad('operation', 'leaves the content of a gzip open');
}

function compareChecksum<V extends { checksum: number }>(record: Struct<V>, header: V, bytes: Uint8Array, followers: readonly Uint8Array[], what: string): void {
  const plain = Uint8Array.from(bytes);
  plain.fill(0, record.offsetOf('checksum'), record.offsetOf('checksum') + 4);
  const actual = followers.reduce((crc, part) => crc32c(crc, part), crc32c(0xffff_ffff, plain));
  if (actual === header.checksum) return;
  throw new ThawfsError('CHECKSUM_MISMATCH', `patch: the checksum of its ${what} does not match: it was altered or damaged`, { detail: { record: record.name }, suggestion: 'Fetch the patch again.' });
}

function limit(field: string, value: number, most: number): void {
  if (value > most) throw new ThawfsError('LIMIT_EXCEEDED', `patch.${field}: ${value}, at most ${most} are allowed`, { detail: { record: 'patch', field, value, limit: most }, suggestion: 'Fetch the patch again.' });
}

export function bad(field: string, problem: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `patch.${field}: ${problem}`, { detail: { record: 'patch', field }, suggestion: 'Fetch the patch again.' });
}
