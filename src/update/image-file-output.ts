/** The new image as an image file. What an earlier run has written is taken over frame by frame. */
import { createHash } from 'node:crypto';
import { toHex } from '../bytes/hex.js';
import type { Head } from '../chunk/head.js';
import { IndexWriter } from '../chunk/index-writer.js';
import { seekTableFrame, skippableFrame } from '../chunk/tail.js';
import { frameLength } from '../codec/frame.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import { INDEX_FRAME_MAGIC } from '../format/container.js';
import type { Manifest } from '../format/manifest.js';
import type { PatchHeader } from '../format/patch.js';
import { sha256 } from '../hash/sha256.js';
import { MiB } from '../units.js';
import { requireEqual, type ImageOutput, type ImageWriter, type NewChunk } from './image-writer.js';
import { bad } from './patch-reader.js';
import type { ResumableFile } from './resumable-file.js';

export interface ImageFileFacts {
  readonly manifest: Manifest;
  readonly head: Head;
  readonly headBytes: Uint8Array;
  readonly header: PatchHeader;
}

/** Memory: 36 bytes a chunk. */
export class ImageFileOutput implements ImageOutput {
  private readonly codec = openCodec();
  private readonly frame: Uint8Array;
  private readonly index = new IndexWriter();
  private readonly fileHash = createHash('sha256');
  private readonly isHere: boolean;
  private position = 0;
  private replaying = false;
  /** The frame of a whole chunk of zeros. */
  private zeroFrame: Uint8Array | undefined;

  constructor(private readonly file: ResumableFile, private readonly facts: ImageFileFacts) {
    const { chunkSize } = facts.manifest.index;
    this.frame = new Uint8Array(this.codec.bound(chunkSize));
    this.isHere = this.codec.implementation === facts.manifest.codec.implementation;
  }

  /** Begins, or goes on: gives the writer what is in the file. @returns bytes taken over */
  begin(writer: ImageWriter): number {
    const { headBytes, manifest: { index: { chunkCount } } } = this.facts;
    this.replaying = Buffer.compare(this.file.read(0, headBytes.length), headBytes) === 0;
    if (!this.replaying) this.file.resize(0);
    this.put(headBytes);
    if (!this.replaying) return 0;
    for (let window = this.file.read(this.position, 4 * MiB); window.length > 0; window = this.file.read(this.position, 4 * MiB)) {
      const before = this.position;
      try {
        for (let length = frameLength(window); length !== undefined && this.index.chunkCount < chunkCount; length = frameLength(window)) {
          writer.addFrame(window.subarray(0, length));
          window = window.subarray(length);
        }
      } catch (error) {
        if (!hasCode(error)) throw error;
        break; // torn, or the index that follows the frames
      }
      if (this.position === before) break;
    }
    this.replaying = false;
    this.file.resize(this.position);
    return this.position;
  }

  add({ raw, leaves, frame = this.compress(raw) }: NewChunk): void {
    this.index.add(frame.length, sha256(leaves), 0);
    this.put(frame);
  }

  finish(): void {
    const { manifest: { raw, index }, head: { headSize, indexOffset }, header } = this.facts;
    const { pages, rootDigest } = this.index.finish();
    requireEqual('index root digest', rootDigest, index.rootDigest);
    if (this.position !== indexOffset) throw bad('end', 'comes when the frames do not reach the index');
    const indexFrame = skippableFrame(INDEX_FRAME_MAGIC, pages);
    this.put(indexFrame);
    this.put(seekTableFrame({ headSize, frameSizes: this.index.frameSizes(), rawSize: raw.size, chunkSize: index.chunkSize, indexSize: indexFrame.length }));
    const actual = this.fileHash.digest();
    if (BigInt(this.position) === header.fileSize && Buffer.compare(actual, header.fileDigest) === 0) return;
    throw new ThawfsError('BLOB_DIGEST_MISMATCH', `the patched file has sha256 ${toHex(actual)}, ${toHex(header.fileDigest)} was published`, {
      detail: { expected: toHex(header.fileDigest), actual: toHex(actual) }, suggestion: 'Fetch the image itself (thawfs pull).',
    });
  }

  private put(bytes: Uint8Array): void {
    this.fileHash.update(bytes);
    if (!this.replaying) this.file.write(bytes, this.position);
    this.position += bytes.length;
  }

  /** Chunks that are made anew become the published frames only with the zstd that made those. */
  private compress(raw: Uint8Array): Uint8Array {
    const { codec: { implementation, level }, index: { chunkSize } } = this.facts.manifest;
    if (!this.isHere) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', `the image was compressed with ${implementation}, this machine has ${this.codec.implementation}: its frames cannot be made here bit for bit`, {
        detail: { needed: implementation, here: this.codec.implementation }, suggestion: 'Write a raw image (--raw), install that version, or fetch the image with thawfs pull.',
      });
    }
    const isZero = raw.length === chunkSize && raw[0] === 0 && raw[raw.length - 1] === 0 && Buffer.compare(raw.subarray(1), raw.subarray(0, -1)) === 0;
    if (isZero && this.zeroFrame !== undefined) return this.zeroFrame;
    const frame = this.frame.subarray(0, this.codec.compress(raw, this.frame, level));
    if (isZero) this.zeroFrame = frame.slice();
    return frame;
  }
}
