/** From frame to chunk. The only way to a chunk's bytes: what comes out is verified, or is when it is looked at; there is no unverified chunk. */
import { toHex } from '../bytes/hex.js';
import type { Codec } from '../codec/codec.js';
import { ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import type { DecodedChunk } from './decoded-chunk.js';
import type { ChunkPlace } from './index-reader.js';

export class ChunkDecoder {
  private readonly leaves: Uint8Array;
  /** For chunks that are checked only; made when the first one is. */
  private scratch: Uint8Array | undefined;

  /**
   * @param chunkSize raw bytes of a chunk
   * @param salt of the leaves, empty = none
   */
  constructor(private readonly codec: Codec, private readonly chunkSize: number, private readonly salt: Uint8Array) {
    this.leaves = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
  }

  /**
   * @param frame the chunk's zstd frame; not kept
   * @returns `place.size` bytes that the caller owns
   * @throws CHUNK_DIGEST_MISMATCH when the frame does not hold the chunk that the index names
   */
  decode(place: ChunkPlace, frame: Uint8Array): Uint8Array {
    const chunk = Buffer.allocUnsafeSlow(place.size);
    this.decompress(place, frame, chunk);
    this.verify(place, chunk);
    return chunk;
  }

  /** As {@link decode}, for whoever wants to know only whether the frame is the chunk's: nothing is allocated. */
  check(place: ChunkPlace, frame: Uint8Array): void {
    this.scratch ??= new Uint8Array(this.chunkSize);
    const chunk = this.scratch.subarray(0, place.size);
    this.decompress(place, frame, chunk);
    this.verify(place, chunk);
  }

  /**
   * As {@link decode}, into memory that is used again.
   *
   * @param leaves digests of the chunk's blocks, from wherever: when they are what the chunk's id vouches for, each block is
   *   hashed when it is looked at; else all of them are now
   */
  decodeInto(place: ChunkPlace, frame: Uint8Array, target: DecodedChunk, leaves?: Uint8Array): void {
    const chunk = target.begin(place.size);
    this.decompress(place, frame, chunk);
    if (leaves !== undefined && Buffer.compare(sha256(leaves), place.id) === 0) {
      target.expect(leaves);
    } else {
      this.verify(place, chunk);
      target.accept();
    }
  }

  private decompress(place: ChunkPlace, frame: Uint8Array, chunk: Uint8Array): void {
    try {
      this.codec.decompress(frame, chunk);
    } catch (cause) {
      throw this.mismatch(place, 'its frame does not decompress', cause);
    }
  }

  private verify(place: ChunkPlace, chunk: Uint8Array): void {
    const written = hashLeaves(chunk, this.salt, this.leaves);
    const digest = sha256(this.leaves.subarray(0, written));
    if (Buffer.compare(digest, place.id) !== 0) throw this.mismatch(place, `sha256 is ${toHex(digest)}, the index says ${toHex(place.id)}`);
  }

  private mismatch({ number, size, frameOffset, frameSize, id }: ChunkPlace, reason: string, cause?: unknown): ThawfsError {
    const offset = number * this.chunkSize;
    return new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${number} (bytes ${offset}-${offset + size - 1}): ${reason}`, {
      detail: { chunk: number, offset, length: size, frameOffset, frameSize, expected: toHex(id) },
      suggestion: 'Fetch or copy the image again.', cause,
    });
  }
}
