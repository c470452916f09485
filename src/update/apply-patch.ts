/** `patch`: makes the new image from the old one and a patch, in one pass over the patch. */
import { createReadStream, writeSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { toHex } from '../bytes/hex.js';
import { decodeHead } from '../chunk/head.js';
import { openPrefixCodec, type PrefixCodec } from '../codec/prefix.js';
import { openCodec } from '../codec/registry.js';
import { fromErrno, ThawfsError } from '../errors.js';
import type { PatchHeader } from '../format/patch.js';
import type { Manifest } from '../format/manifest.js';
import { decodeSignatures } from '../format/signatures.js';
import type { Image } from '../image/image.js';
import { openImage } from '../image/open.js';
import { writeOutput } from '../image/output-file.js';
import { requireTrust, type TrustPolicy } from '../trust/policy.js';
import { MiB } from '../units.js';
import { ImageWriter } from './image-writer.js';
import { bad, PatchReader, type Operation, type PatchBatch } from './patch-reader.js';

export interface ApplyPatchOptions {
  /** Judges the new image, before the first byte is written. */
  readonly trust: TrustPolicy;
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
  /** Raw bytes made so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface ApplyPatchReport {
  readonly output: string;
  readonly manifest: Manifest;
  readonly signedBy: readonly string[];
  readonly fileSize: number;
}

const CACHE_SIZE = 16 * MiB;

/**
 * The old image is only read. The new one appears under its name when every digest that its signed manifest names was computed anew
 * and is right, and the file as a whole is the one that the patch was made for. The patch itself is signed by nobody: its result is.
 *
 * Memory: 1/128 of the raw image for its leaves, and 64 MiB.
 *
 * @param base the old image: a path
 * @param patch a path, or `-` for standard input
 * @param output the image file to write
 * @throws WRONG_BASE; BAD_MAGIC, TRUNCATED, CHECKSUM_MISMATCH, BAD_FIELD, LIMIT_EXCEEDED for the patch; what requireTrust throws;
 *   ROOT_DIGEST_MISMATCH, BLOB_DIGEST_MISMATCH when the result is not what was signed; FEATURE_UNSUPPORTED when this machine's zstd
 *   makes other frames; CHUNK_DIGEST_MISMATCH for a damaged old image; TOOL_MISSING without libzstd
 */
export async function applyPatch(base: string, patch: string, output: string, options: ApplyPatchOptions): Promise<ApplyPatchReport> {
  const codec = openPrefixCodec();
  const input = patch === '-' ? options.stdin ?? process.stdin : createReadStream(patch, { highWaterMark: MiB });
  try {
    await using old = await openImage(base, { trust: { keys: [], allowUnsigned: true, now: 0 }, cacheBytes: CACHE_SIZE, ...(options.signal === undefined ? {} : { signal: options.signal }) });
    const reader = new PatchReader(input as AsyncIterable<Uint8Array>, codec);
    const { header, head: headBytes } = await reader.begin();
    requireBase(old, header);
    const head = decodeHead(headBytes);
    const { manifest, signedBy } = requireTrust({ manifestBytes: head.manifest, signatures: head.signatures === undefined ? [] : decodeSignatures(head.signatures), policy: options.trust });
    return await writeOutput(output, async ({ fd }) => {
      const writer = new ImageWriter(manifest, head, headBytes, (bytes) => { for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done); });
      await new Application(old, codec, writer, manifest, options).run(reader);
      requireFile(writer, header);
      return { output, manifest, signedBy, fileSize: Number(header.fileSize) };
    });
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? fromErrno(error, `reading ${patch}`) : error;
  } finally {
    input.destroy();
  }
}

function requireBase({ manifest: { index, verity, name, sequence } }: Image, { baseRootDigest, baseRootHash }: PatchHeader): void {
  if (toHex(baseRootDigest) === index.rootDigest && toHex(baseRootHash) === verity.rootHash) return;
  throw new ThawfsError('WRONG_BASE', `the patch applies to an image with root hash ${toHex(baseRootHash)}; this one (${name}, sequence ${sequence}) has ${verity.rootHash}`, {
    detail: { expected: toHex(baseRootHash), actual: verity.rootHash }, suggestion: 'Apply it to the image that it was made from, or use thawfs pull.',
  });
}

function requireFile(writer: ImageWriter, header: PatchHeader): void {
  const { fileSize, fileDigest } = writer.finish();
  if (BigInt(fileSize) === header.fileSize && Buffer.compare(fileDigest, header.fileDigest) === 0) return;
  throw new ThawfsError('BLOB_DIGEST_MISMATCH', `the patched file has sha256 ${toHex(fileDigest)}, ${toHex(header.fileDigest)} was published`, {
    detail: { expected: toHex(header.fileDigest), actual: toHex(fileDigest) }, suggestion: 'Fetch the image itself (thawfs pull).',
  });
}

class Application {
  constructor(private readonly old: Image, private readonly codec: PrefixCodec, private readonly writer: ImageWriter, private readonly manifest: Manifest, private readonly options: ApplyPatchOptions) {}

  async run(reader: PatchReader): Promise<void> {
    const { signal, onProgress } = this.options;
    for (let batch = await reader.next(); batch !== undefined; batch = await reader.next()) {
      signal?.throwIfAborted();
      await this.apply(batch);
      onProgress?.(this.writer.rawPosition, this.manifest.raw.size);
    }
  }

  private async apply({ references, operations, dataFrame, dataSize }: PatchBatch): Promise<void> {
    const data = dataSize === 0 ? new Uint8Array(0) : this.codec.decompress(dataFrame, await this.prefixOf(references), dataSize);
    let at = 0;
    const take = (length: number): Uint8Array => {
      if (at + length > data.length) throw bad('operation', 'wants more data than its batch has');
      return data.subarray(at, at += length);
    };
    for (const operation of operations) {
      switch (operation.kind) {
        case 'data': this.requireCodec(); this.writer.addRaw(take(operation.length)); break;
        case 'frame': this.writer.addFrame(take(operation.length)); break;
        case 'copy': this.requireCodec(); await this.copy(operation); break;
        case 'hashes': this.requireCodec(); this.writer.addHashes(operation.length); break;
        case 'same': await this.copyFrames(operation); break;
        case 'reference': break;
      }
    }
    if (at !== data.length) throw bad('data', 'is more than the operations of its batch use');
  }

  private async prefixOf(references: readonly Operation[]): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    for (const { offset, length } of references) parts.push(await this.readOld(offset, length));
    return Buffer.concat(parts);
  }

  private async copy({ offset, length }: Operation): Promise<void> {
    for (let at = 0; at < length; at += MiB) {
      this.options.signal?.throwIfAborted();
      this.writer.addRaw(await this.readOld(offset + at, Math.min(MiB, length - at)));
    }
  }

  private async copyFrames({ offset: first, length: count }: Operation): Promise<void> {
    if (first + count > this.old.manifest.index.chunkCount) throw bad('operation', 'leads beyond the end of the old image');
    for (let number = first; number < first + count; number++) {
      this.options.signal?.throwIfAborted();
      const [place] = await this.old.locate(number, number + 1, this.options);
      this.writer.addFrame(await this.old.readFile(place!.frameOffset, place!.frameSize, this.options), place);
    }
  }

  private readOld(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.old.manifest.raw.size) throw bad('operation', 'leads beyond the end of the old image');
    return this.old.read(offset, length, this.options);
  }

  /** Chunks that are made anew become the published frames only with the zstd that made those. */
  private requireCodec(): void {
    const { implementation } = this.manifest.codec;
    const here = openCodec().implementation;
    if (here === implementation) return;
    throw new ThawfsError('FEATURE_UNSUPPORTED', `the image was compressed with ${implementation}, this machine has ${here}: its frames cannot be made here bit for bit`, {
      detail: { needed: implementation, here }, suggestion: 'Install that version, or fetch the image with thawfs pull.',
    });
  }
}
