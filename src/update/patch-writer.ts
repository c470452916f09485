/** Collects operations and new data, and writes them in batches that a reader can hold. */
import { crc32c } from '../bytes/crc32c.js';
import type { PrefixCodec } from '../codec/prefix.js';
import { batchHeader, PATCH_LIMITS, PATCH_MAGIC, PATCH_OPERATIONS, PATCH_VERSION, patchHeader, patchOperation, type PatchHeader } from '../format/patch.js';

type Kind = keyof typeof PATCH_OPERATIONS;
interface Operation { readonly kind: Kind; length: number; readonly offset: number }
const noPrefix = new Uint8Array(0);

export interface PatchOutput {
  readonly codec: PrefixCodec;
  readonly level: number;
  readonly write: (bytes: Uint8Array) => void;
  /** Bytes of the old raw image. */
  readonly readOld: (offset: number, length: number) => Promise<Uint8Array>;
}

export class PatchWriter {
  private operations: Operation[] = [];
  private data: Uint8Array[] = [];
  private dataSize = 0;
  private references: { readonly offset: number; readonly length: number }[] = [];
  private referenceSize = 0;
  private number = 0;

  constructor(private readonly output: PatchOutput) {}

  /** First. @param head of the new image */
  begin(facts: Pick<PatchHeader, 'baseRootDigest' | 'baseRootHash' | 'fileSize' | 'fileDigest'>, head: Uint8Array): void {
    const { codec, level, write } = this.output;
    const frame = codec.compress(head, noPrefix, level);
    write(withChecksum(patchHeader, { ...facts, magic: PATCH_MAGIC, version: PATCH_VERSION, headSize: head.length, headFrameSize: frame.length }, [frame]));
    write(frame);
  }

  /** Makes a part of the old raw image known to the data that follow, in this batch. Parts that are known already cost nothing. */
  async reference(offset: number, length: number): Promise<void> {
    const size = Math.min(length, PATCH_LIMITS.references);
    if (size <= 0 || this.references.some((one) => one.offset <= offset && offset + size <= one.offset + one.length)) return;
    if (this.referenceSize + size > PATCH_LIMITS.references) await this.flush();
    this.references.push({ offset, length: size });
    this.referenceSize += size;
  }

  async add(kind: 'copy' | 'hashes' | 'same', length: number, offset: number): Promise<void> {
    const last = this.operations.at(-1);
    if (last?.kind === kind && last.offset + last.length === offset && last.length + length < 2 ** 31) last.length += length;
    else await this.push({ kind, length, offset });
  }

  /** @param bytes copied; at most 1 MiB */
  async addData(bytes: Uint8Array, kind: 'data' | 'frame' = 'data'): Promise<void> {
    await this.makeRoom(bytes.length);
    const last = this.operations.at(-1);
    if (kind === 'data' && last?.kind === 'data') last.length += bytes.length;
    else await this.push({ kind, length: bytes.length, offset: 0 });
    this.data.push(bytes.slice());
    this.dataSize += bytes.length;
  }

  /** Ends the batch when it cannot take so many bytes of data: references made before would not be of use to them. */
  async makeRoom(bytes: number): Promise<void> {
    if (this.dataSize + bytes > PATCH_LIMITS.data) await this.flush();
  }

  async finish(): Promise<void> {
    await this.flush();
    this.output.write(withChecksum(batchHeader, { number: this.number }, []));
  }

  private async push(operation: Operation): Promise<void> {
    if (this.operations.length + this.references.length + 1 >= PATCH_LIMITS.operations) await this.flush();
    this.operations.push(operation);
  }

  private async flush(): Promise<void> {
    if (this.operations.length > 0) await this.writeBatch();
    [this.operations, this.data, this.dataSize, this.references, this.referenceSize] = [[], [], 0, [], 0];
  }

  private async writeBatch(): Promise<void> {
    const { codec, level, write, readOld } = this.output;
    const references = this.dataSize === 0 ? [] : this.references;
    const all: Operation[] = [...references.map((one) => ({ ...one, kind: 'reference' as const })), ...this.operations.map((one) => (one.kind === 'hashes' ? { ...one, offset: 0 } : one))];
    const table = new Uint8Array(all.length * patchOperation.size);
    all.forEach(({ kind, length, offset }, i) => patchOperation.encode({ kind: PATCH_OPERATIONS[kind], length, offset: BigInt(offset) }, table, i * patchOperation.size));
    const prefix = Buffer.concat(await Promise.all(references.map(({ offset, length }) => readOld(offset, length))));
    const operationsFrame = codec.compress(table, noPrefix, level);
    const dataFrame = this.dataSize === 0 ? noPrefix : codec.compress(Buffer.concat(this.data), prefix, level);
    const frames = [operationsFrame, dataFrame];
    write(withChecksum(batchHeader, {
      operationCount: all.length, operationsFrameSize: operationsFrame.length, dataSize: this.dataSize, dataFrameSize: dataFrame.length, number: this.number++,
    }, frames));
    frames.forEach(write);
  }
}

interface Checksummed<V> { encode(value: Partial<V>): Uint8Array }

/** @returns the record with the crc32c over it and over what follows it */
function withChecksum<V extends { checksum: number }>(record: Checksummed<V>, value: Partial<V>, followers: readonly Uint8Array[]): Uint8Array {
  const checksum = followers.reduce((crc, bytes) => crc32c(crc, bytes), crc32c(0xffff_ffff, record.encode(value)));
  return record.encode({ ...value, checksum });
}
