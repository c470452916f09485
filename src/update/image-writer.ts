/** Assembles a new image from front to back out of raw bytes and ready frames, and proves with the signed manifest what it became. */
import { parseHex, toHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { zeroChunkId } from '../chunk/zero-chunk.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import type { Content } from '../model/content.js';
import { BLOCK_SIZE } from '../units.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { bytesOfRun, LeafStore, type LeafOverflow, type LeafRun } from '../verity/leaf-store.js';
import { bad } from './patch-reader.js';

export interface NewChunk {
  /** In the raw image. */
  readonly offset: number;
  /** These views are good until the call returns. */
  readonly raw: Uint8Array;
  /** SHA-256 over the leaf digests. */
  readonly id: Uint8Array;
  /** A whole chunk of zeros. */
  readonly zero: boolean;
  /** When it was at hand. */
  readonly frame?: Uint8Array;
}

/** Takes what was assembled: an image file, a raw image, a journal. */
export interface ImageOutput {
  /** The next chunk. */
  add(chunk: NewChunk): void;
  /** After the last chunk, when the raw image is known to be the signed one. @throws ROOT_DIGEST_MISMATCH, BLOB_DIGEST_MISMATCH */
  finish(): void;
}

/** Memory: a chunk, and leaf digests: 1/128 of the raw image where that is not zero, at most 8 MiB with an overflow. */
export class ImageWriter {
  private readonly salt: Uint8Array;
  private readonly leaves: LeafStore;
  private readonly chunk: Uint8Array;
  private readonly digests: Uint8Array;
  private readonly zeroId: Uint8Array;
  /** Raw bytes of the chunks that are done, and of the open one. */
  private done = 0;
  private filled = 0;
  private hashArea: Content | undefined;
  private rootHash: Uint8Array | undefined;
  private readonly hashMemory: Uint8Array;
  /** Blocks of the file system whose leaves are there. */
  private leafCount = 0;

  /** @param overflow of the leaf digests, see {@link LeafStore} */
  constructor(private readonly manifest: Manifest, private readonly output: ImageOutput, overflow?: LeafOverflow) {
    const { chunkSize } = manifest.index;
    this.salt = parseHex(manifest.verity.salt, 'manifest.verity.salt');
    this.leaves = new LeafStore(this.salt, overflow);
    this.chunk = new Uint8Array(chunkSize);
    this.hashMemory = new Uint8Array(chunkSize);
    this.digests = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
    this.zeroId = zeroChunkId(chunkSize, this.salt);
  }

  /** Raw bytes so far. */
  get rawPosition(): number {
    return this.done + this.filled;
  }

  /** The next raw bytes, of any length. @throws BAD_FIELD beyond the end */
  addRaw(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.chunkLength() - this.filled);
      if (part.length === 0) throw bad('operation', 'leads beyond the end of the image');
      if (part.length === this.chunkLength()) this.finishChunk(part); // a whole one is not copied
      else {
        this.chunk.set(part, this.filled);
        this.advance(part.length);
      }
      at += part.length;
    }
  }

  addZeros(length: number): void {
    for (let left = length; left > 0;) {
      const count = Math.min(left, this.chunkLength() - this.filled);
      if (count === 0) throw bad('operation', 'leads beyond the end of the image');
      this.chunk.fill(0, this.filled, this.filled + count);
      if (count === this.chunk.length && this.done + count <= this.manifest.raw.fileSystemSize) this.finishZeroChunk();
      else this.advance(count);
      left -= count;
    }
  }

  /** The next raw bytes are those of the hash area, which begins here or goes on. */
  addHashes(length: number): void {
    const { verity, raw } = this.manifest;
    const start = this.rawPosition - verity.hashOffset;
    if (start < 0 || this.rawPosition + length > raw.size) throw bad('operation', 'puts the hash area where it is not');
    const step = this.chunk.length;
    for (let at = start; at < start + length; at += step) this.addRaw(this.hashBytes(at, Math.min(step, start + length - at)));
  }

  /**
   * @param frame of the next chunk, which begins here
   * @param content of the frame, when it is known; else it is decompressed
   * @throws BAD_FIELD, TRUNCATED, BAD_MAGIC when it does not decompress
   */
  addFrame(frame: Uint8Array, content?: Uint8Array): void {
    const size = this.chunkLength();
    if (this.filled > 0 || size === 0 || (content !== undefined && content.length !== size)) throw bad('operation', 'puts a frame where no such chunk begins');
    if (content === undefined) openCodec().decompress(frame, this.chunk.subarray(0, size));
    this.finishChunk(content ?? this.chunk.subarray(0, size), frame);
  }

  /** @throws TRUNCATED when raw bytes are missing; ROOT_DIGEST_MISMATCH when the image is not the signed one; what the output throws */
  finish(): void {
    const { raw, verity } = this.manifest;
    if (this.rawPosition !== raw.size) throw bad('end', `comes after ${this.rawPosition} of ${raw.size} raw bytes`);
    this.buildHashes();
    requireEqual('dm-verity root hash', this.rootHash!, verity.rootHash);
    this.output.finish();
  }

  /** @returns bytes of the chunk at this raw offset */
  chunkSizeAt(offset: number): number {
    return Math.min(this.chunk.length, this.manifest.raw.size - offset);
  }

  private chunkLength(): number {
    return this.chunkSizeAt(this.done);
  }

  private advance(count: number): void {
    this.filled += count;
    if (this.filled === this.chunkLength()) this.finishChunk(this.chunk.subarray(0, this.filled));
  }

  private finishChunk(raw: Uint8Array, frame?: Uint8Array): void {
    const leaves = this.digests.subarray(0, hashLeaves(raw, this.salt, this.digests));
    this.takeLeaves(leaves);
    this.pass(raw, sha256(leaves), false, frame);
  }

  private finishZeroChunk(): void {
    const known = this.leafCount - this.done / BLOCK_SIZE;
    this.leaves.addZeroBlocks(this.chunk.length / BLOCK_SIZE - known);
    this.leafCount = (this.done + this.chunk.length) / BLOCK_SIZE;
    this.pass(this.chunk, this.zeroId, true);
  }

  private pass(raw: Uint8Array, id: Uint8Array, zero: boolean, frame?: Uint8Array): void {
    this.output.add({ offset: this.done, raw, id, zero, ...(frame === undefined ? {} : { frame }) });
    this.done += raw.length;
    this.filled = 0;
  }

  /** @param digests of the blocks from the start of the open chunk on; those of the hash area, and those taken already, are passed over */
  private takeLeaves(digests: Uint8Array): void {
    const first = this.done / BLOCK_SIZE;
    const from = Math.max(0, this.leafCount - first);
    const to = Math.min(digests.length / DIGEST_SIZE, this.manifest.verity.dataBlocks - first);
    if (from >= to) return;
    this.leaves.add(digests.subarray(from * DIGEST_SIZE, to * DIGEST_SIZE));
    this.leafCount += to - from;
  }

  private buildHashes(): Content {
    if (this.hashArea === undefined) {
      this.takeLeaves(this.digests.subarray(0, hashLeaves(this.chunk.subarray(0, this.filled), this.salt, this.digests)));
      const { rootHash, content } = buildHashArea({ leaves: this.leaves, salt: this.salt, uuid: parseUuid(this.manifest.uuid, 'manifest.uuid') });
      this.rootHash = rootHash;
      this.hashArea = content;
    }
    return this.hashArea;
  }

  /** @param offset in the hash area. @returns bytes that are good until the next call */
  private hashBytes(offset: number, length: number): Uint8Array {
    const bytes = this.hashMemory.subarray(0, length).fill(0);
    for (const piece of this.buildHashes().pieces) {
      const [from, to] = [Math.max(offset, piece.offset), Math.min(offset + length, piece.offset + piece.length)];
      if (from < to) bytes.set(bytesOfRun(piece as LeafRun).subarray(from - piece.offset, to - piece.offset), from - offset);
    }
    return bytes;
  }
}

export function requireEqual(what: string, actual: Uint8Array, expected: string): void {
  if (toHex(actual) === expected) return;
  throw new ThawfsError('ROOT_DIGEST_MISMATCH', `the patched image has ${what} ${toHex(actual)}, the signed manifest says ${expected}`, {
    detail: { expected, actual: toHex(actual) }, suggestion: 'Fetch the image itself (thawfs pull).',
  });
}
