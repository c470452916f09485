/** Reads a patch as it arrives, a batch at a time; nothing is believed before its checksum was compared. */
import { crc32c } from '../bytes/crc32c.js';
import type { Struct } from '../bytes/struct.js';
import { toSafeNumber } from '../bytes/struct.js';
import type { PrefixCodec } from '../codec/prefix.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE } from '../format/container.js';
import { batchHeader, PATCH_LIMITS, PATCH_MAGIC, PATCH_OPERATIONS, PATCH_VERSION, patchHeader, patchOperation, type PatchHeader } from '../format/patch.js';

export type OperationKind = keyof typeof PATCH_OPERATIONS;
export interface Operation { readonly kind: OperationKind; readonly length: number; readonly offset: number }

export interface PatchBatch {
  readonly references: readonly Operation[];
  readonly operations: readonly Operation[];
  /** With these and the references' bytes the data are decompressed. */
  readonly dataFrame: Uint8Array;
  readonly dataSize: number;
}

/** Frames of limited content are not longer than this. */
const frameBound = (size: number): number => size + (size >> 7) + 1024;
const kinds = new Map(Object.entries(PATCH_OPERATIONS).map(([kind, number]) => [number as number, kind as OperationKind]));

export class PatchReader {
  private readonly input: AsyncIterator<Uint8Array>;
  private rest: Uint8Array = new Uint8Array(0);
  private number = 0;

  constructor(input: AsyncIterable<Uint8Array>, private readonly codec: PrefixCodec) {
    this.input = input[Symbol.asyncIterator]();
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
    toSafeNumber(header.fileSize, 'patch header.fileSize');
    return { header, head: this.codec.decompress(frame, new Uint8Array(0), header.headSize) };
  }

  /** @returns undefined at the end. @throws as {@link PatchReader.begin} */
  async next(): Promise<PatchBatch | undefined> {
    const bytes = await this.take(batchHeader.size);
    const header = batchHeader.decode(bytes);
    limit('operationCount', header.operationCount, PATCH_LIMITS.operations);
    limit('operationsFrameSize', header.operationsFrameSize, frameBound(PATCH_LIMITS.operations * patchOperation.size));
    limit('dataSize', header.dataSize, PATCH_LIMITS.data);
    limit('dataFrameSize', header.dataFrameSize, frameBound(PATCH_LIMITS.data));
    const [table, dataFrame] = [await this.take(header.operationsFrameSize), await this.take(header.dataFrameSize)];
    compareChecksum(batchHeader, header, bytes, [table, dataFrame], `batch ${this.number}`);
    if (header.number !== this.number++) throw bad('number', `is ${header.number}, ${this.number - 1} comes next`);
    if (header.operationCount === 0) {
      await this.requireEnd();
      return undefined;
    }
    const operations = decodeOperations(this.codec.decompress(table, new Uint8Array(0), header.operationCount * patchOperation.size));
    const references = operations.filter(({ kind }) => kind === 'reference');
    limit('references', references.reduce((sum, { length }) => sum + length, 0), PATCH_LIMITS.references);
    return { references, operations: operations.filter(({ kind }) => kind !== 'reference'), dataFrame, dataSize: header.dataSize };
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

function decodeOperations(table: Uint8Array): Operation[] {
  return Array.from({ length: table.length / patchOperation.size }, (_, i) => {
    const { kind: number, length, offset } = patchOperation.decode(table, i * patchOperation.size);
    const kind = kinds.get(number);
    if (kind === undefined) throw bad('kind', `${number} is not known`);
    return { kind, length, offset: toSafeNumber(offset, 'patch operation.offset') };
  });
}

function compareChecksum<V extends { checksum: number }>(record: Struct<V>, header: V, bytes: Uint8Array, followers: readonly Uint8Array[], what: string): void {
  const plain = bytes.slice();
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
