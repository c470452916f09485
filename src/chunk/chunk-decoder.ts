/** From frame to chunk. The only way to a chunk's bytes: what this returns is verified, there is no unverified chunk. */
import { toHex } from '../bytes/hex.js';
import type { Codec } from '../codec/codec.js';
import { ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
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
    this.decodeInto(place, frame, chunk);
    return chunk;
  }

  /** As {@link decode}, for whoever wants to know only whether the frame is the chunk's: nothing is allocated. */
  check(place: ChunkPlace, frame: Uint8Array): void {
    this.scratch ??= new Uint8Array(this.chunkSize);
    this.decodeInto(place, frame, this.scratch.subarray(0, place.size));
  }

  private decodeInto(place: ChunkPlace, frame: Uint8Array, chunk: Uint8Array): void {
    try {
      this.codec.decompress(frame, chunk);
    } catch (cause) {
      throw this.mismatch(place, 'its frame does not decompress', cause);
    }
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
