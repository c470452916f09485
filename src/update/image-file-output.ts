/** The new image as an image file. What an earlier run has written is taken over frame by frame. */
import { createHash } from 'node:crypto';
import { toHex } from '../bytes/hex.js';
import { PieceFiller } from '../bytes/piece-filler.js';
import type { Head } from '../chunk/head.js';
import { IndexWriter } from '../chunk/index-writer.js';
import { tailParts } from '../chunk/tail.js';
import { frameLength } from '../codec/frame.js';
import { openCodec } from '../codec/registry.js';
import { hasCode, ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { PatchHeader } from '../format/patch.js';
import { KiB, MiB } from '../units.js';
import { requireEqual, type ImageOutput, type ImageWriter, type NewChunk } from './image-writer.js';
import { bad } from './patch-reader.js';
import type { ResumableFile } from './resumable-file.js';

export interface ImageFileFacts {
  readonly manifest: Manifest;
  readonly head: Head;
  readonly headBytes: Uint8Array;
  readonly header: PatchHeader;
}

/** Frames are hashed and written together. */
const WRITE_SIZE = 256 * KiB;
/** What is taken over is read in such steps. */
const REPLAY_SIZE = 4 * MiB;

/** Memory: 36 bytes a chunk. */
export class ImageFileOutput implements ImageOutput {
  private readonly codec = openCodec();
  private readonly frame: Uint8Array;
  private readonly index = new IndexWriter();
  private readonly fileHash = createHash('sha256');
  private readonly isHere: boolean;
  /** What waits to be written, and where it begins in the file. */
  private readonly buffer = new PieceFiller(WRITE_SIZE, (piece) => this.write(piece));
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
    this.buffer.add(headBytes);
    if (!this.replaying) return 0;
    const memory = Buffer.allocUnsafeSlow(REPLAY_SIZE);
    for (let window = this.file.read(this.end, REPLAY_SIZE, memory); window.length > 0; window = this.file.read(this.end, REPLAY_SIZE, memory)) {
      const before = this.end;
      try {
        for (let length = frameLength(window); length !== undefined && this.index.chunkCount < chunkCount; length = frameLength(window)) {
          writer.addFrame(window.subarray(0, length));
          window = window.subarray(length);
        }
      } catch (error) {
        if (!hasCode(error)) throw error;
        break; // torn, or the index that follows the frames
      }
      if (this.end === before) break;
    }
    this.flush();
    this.replaying = false;
    this.file.resize(this.position);
    return this.position;
  }

  add({ raw, id, zero, frame = zero ? this.zeroFrame ??= this.compress(raw).slice() : this.compress(raw) }: NewChunk): void {
    this.index.add(frame.length, id, 0);
    this.buffer.add(frame);
  }

  finish(): void {
    const { manifest: { raw, index }, head: { headSize, indexOffset }, header } = this.facts;
    const { pages, rootDigest } = this.index.finish();
    requireEqual('index root digest', rootDigest, index.rootDigest);
    if (this.end !== indexOffset) throw bad('end', 'comes when the frames do not reach the index');
    for (const part of tailParts(pages, { headSize, frameSizes: this.index.frameSizes(), rawSize: raw.size, chunkSize: index.chunkSize })) this.buffer.add(part);
    this.flush();
    const actual = this.fileHash.digest();
    if (BigInt(this.position) === header.fileSize && Buffer.compare(actual, header.fileDigest) === 0) return;
    throw new ThawfsError('BLOB_DIGEST_MISMATCH', `the patched file has sha256 ${toHex(actual)}, ${toHex(header.fileDigest)} was published`, {
      detail: { expected: toHex(header.fileDigest), actual: toHex(actual) }, suggestion: 'Fetch the image itself (thawfs pull).',
    });
  }

  /** Bytes of the file so far. */
  private get end(): number {
    return this.position + this.buffer.waiting.length;
  }

  private flush(): void {
    this.write(this.buffer.waiting);
    this.buffer.clear();
  }

  private write(bytes: Uint8Array): Uint8Array {
    this.fileHash.update(bytes);
    if (!this.replaying) this.file.write(bytes, this.position);
    this.position += bytes.length;
    return bytes;
  }

  /** Chunks that are made anew become the published frames only with the zstd that made those. */
  private compress(raw: Uint8Array): Uint8Array {
    const { codec: { implementation, level } } = this.facts.manifest;
    if (!this.isHere) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', `the image was compressed with ${implementation}, this machine has ${this.codec.implementation}: its frames cannot be made here bit for bit`, {
        detail: { needed: implementation, here: this.codec.implementation }, suggestion: 'Write a raw image (--raw), install that version, or fetch the image with thawfs pull.',
      });
    }
    return this.frame.subarray(0, this.codec.compress(raw, this.frame, level));
  }
}
