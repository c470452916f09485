/** Writes an image file from front to back out of raw bytes and ready frames, and proves with the signed manifest what it became. */
import { createHash } from 'node:crypto';
import { parseHex, toHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import type { Head } from '../chunk/head.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { IndexWriter } from '../chunk/index-writer.js';
import { seekTableFrame, skippableFrame } from '../chunk/tail.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { INDEX_FRAME_MAGIC } from '../format/container.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import type { Content } from '../model/content.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { LeafStore } from '../verity/leaf-store.js';
import { bad } from './patch-reader.js';

export class ImageWriter {
  private readonly codec = openCodec();
  private readonly salt: Uint8Array;
  private readonly index = new IndexWriter();
  private readonly leaves: LeafStore;
  private readonly chunk: Uint8Array;
  private readonly frame: Uint8Array;
  private readonly digests: Uint8Array;
  private filled = 0;
  private hashArea: Content | undefined;
  private rootHash: Uint8Array | undefined;
  /** Blocks of the file system whose leaves are there. */
  private leafCount = 0;
  private framesSize = 0;
  private readonly decoder: ChunkDecoder;
  private readonly fileHash = createHash('sha256');

  /** @param write takes the file's bytes in order; they are not kept */
  constructor(private readonly manifest: Manifest, private readonly head: Head, headBytes: Uint8Array, private readonly write: (bytes: Uint8Array) => void) {
    const { chunkSize } = manifest.index;
    this.salt = parseHex(manifest.verity.salt, 'manifest.verity.salt');
    this.leaves = new LeafStore(this.salt);
    this.chunk = new Uint8Array(chunkSize);
    this.frame = new Uint8Array(this.codec.bound(chunkSize));
    this.digests = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
    this.decoder = new ChunkDecoder(this.codec, chunkSize, this.salt);
    this.put(headBytes);
  }

  /** Raw bytes of the file so far. */
  get rawPosition(): number {
    return Math.min(this.index.chunkCount * this.manifest.index.chunkSize, this.manifest.raw.size) + this.filled;
  }

  /** The next raw bytes, of any length. @throws BAD_FIELD beyond the end */
  addRaw(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.chunkLength() - this.filled);
      if (part.length === 0) throw bad('operation', 'leads beyond the end of the image');
      this.chunk.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === this.chunkLength()) this.endChunk();
    }
  }

  /** The next raw bytes are those of the hash area, which begins here or goes on. */
  addHashes(length: number): void {
    const { verity, raw } = this.manifest;
    const start = this.rawPosition - verity.hashOffset;
    if (start < 0 || this.rawPosition + length > raw.size) throw bad('operation', 'puts the hash area where it is not');
    for (let at = start; at < start + length; at += BLOCK_SIZE) this.addRaw(this.hashBlock(at, Math.min(BLOCK_SIZE, start + length - at)));
  }

  /**
   * @param frame of the next chunk, which begins here
   * @param from where it was in the old image, if it was there
   * @throws BAD_FIELD, TRUNCATED, BAD_MAGIC when it does not decompress; CHUNK_DIGEST_MISMATCH when the old image is damaged there
   */
  addFrame(frame: Uint8Array, from?: ChunkPlace): void {
    if (this.filled > 0 || this.chunkLength() === 0 || (from !== undefined && from.size !== this.chunkLength())) throw bad('operation', 'puts a frame where no such chunk begins');
    const raw = this.chunk.subarray(0, this.chunkLength());
    if (from !== undefined) raw.set(this.decoder.decode(from, frame));
    else this.codec.decompress(frame, raw);
    this.finishChunk(raw, frame);
  }

  /**
   * Writes what follows the frames.
   *
   * @throws TRUNCATED when raw bytes are missing; ROOT_DIGEST_MISMATCH when the file is not the signed one
   */
  finish(): { readonly fileSize: number; readonly fileDigest: Uint8Array } {
    const { manifest: { raw, verity, index }, head: { headSize, indexOffset } } = this;
    if (this.rawPosition !== raw.size) throw bad('end', `comes after ${this.rawPosition} of ${raw.size} raw bytes`);
    const { pages, rootDigest } = this.index.finish();
    requireEqual('index root digest', rootDigest, index.rootDigest);
    this.buildHashes();
    requireEqual('dm-verity root hash', this.rootHash!, verity.rootHash);
    if (headSize + this.framesSize !== indexOffset) throw bad('end', 'comes when the frames do not reach the index');
    const indexFrame = skippableFrame(INDEX_FRAME_MAGIC, pages);
    const seekTable = seekTableFrame({ headSize, frameSizes: this.index.frameSizes(), rawSize: raw.size, chunkSize: index.chunkSize, indexSize: indexFrame.length });
    this.put(indexFrame);
    this.put(seekTable);
    return { fileSize: indexOffset + indexFrame.length + seekTable.length, fileDigest: this.fileHash.digest() };
  }

  private put(bytes: Uint8Array): void {
    this.fileHash.update(bytes);
    this.write(bytes);
  }

  private chunkLength(): number {
    const { chunkSize } = this.manifest.index;
    return Math.min(chunkSize, this.manifest.raw.size - this.index.chunkCount * chunkSize);
  }

  private endChunk(): void {
    const raw = this.chunk.subarray(0, this.filled);
    const size = this.codec.compress(raw, this.frame, this.manifest.codec.level);
    this.finishChunk(raw, this.frame.subarray(0, size));
  }

  private finishChunk(raw: Uint8Array, frame: Uint8Array): void {
    const digests = this.digests.subarray(0, hashLeaves(raw, this.salt, this.digests));
    this.takeLeaves(digests);
    this.index.add(frame.length, sha256(digests), 0);
    this.filled = 0;
    this.framesSize += frame.length;
    this.put(frame);
  }

  /** @param digests of the blocks from the start of the open chunk on; those of the hash area, and those taken already, are passed over */
  private takeLeaves(digests: Uint8Array): void {
    const first = this.index.chunkCount * this.manifest.index.chunkSize / BLOCK_SIZE;
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

  /** @param offset in the hash area */
  private hashBlock(offset: number, length: number): Uint8Array {
    const block = new Uint8Array(length);
    for (const piece of this.piecesAt(offset, length)) block.set(piece.bytes, piece.at);
    return block;
  }

  private *piecesAt(offset: number, length: number): Generator<{ readonly bytes: Uint8Array; readonly at: number }> {
    for (const piece of this.buildHashes().pieces) {
      const [from, to] = [Math.max(offset, piece.offset), Math.min(offset + length, piece.offset + piece.length)];
      if (from < to) yield { bytes: (piece.source as Uint8Array).subarray(piece.sourceOffset + from - piece.offset, piece.sourceOffset + to - piece.offset), at: from - offset };
    }
  }
}

function requireEqual(what: string, actual: Uint8Array, expected: string): void {
  if (toHex(actual) === expected) return;
  throw new ThawfsError('ROOT_DIGEST_MISMATCH', `the patched image has ${what} ${toHex(actual)}, the signed manifest says ${expected}`, {
    detail: { expected, actual: toHex(actual) }, suggestion: 'Fetch the image itself (thawfs pull).',
  });
}
