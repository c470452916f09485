/** Whether bytes are the frame of a chunk: what is written to an image that is pulled passes here, wherever it comes from. */
import { parseHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { openCodec } from '../codec/registry.js';
import { hasCode } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import type { ChunkTable } from './chunk-table.js';

export class FrameCheck {
  private readonly decoder: ChunkDecoder;
  /** The frame of a whole chunk of zeros, once one has passed: a large empty image has it 300,000 times. */
  private zeroFrame: Uint8Array | undefined;

  constructor(private readonly table: ChunkTable, { index, verity }: Manifest) {
    this.decoder = new ChunkDecoder(openCodec(), index.chunkSize, parseHex(verity.salt, 'manifest.verity.salt'));
  }

  /** @returns whether the bytes are of the frame's size and decode to the chunk that the index names */
  passes(number: number, frame: Uint8Array): boolean {
    if (frame.length !== this.table.frameSize(number)) return false;
    try {
      this.require(number, frame);
      return true;
    } catch (error) {
      if (hasCode(error, 'CHUNK_DIGEST_MISMATCH')) return false;
      throw error;
    }
  }

  /** @throws CHUNK_DIGEST_MISMATCH */
  require(number: number, frame: Uint8Array): void {
    const zero = this.table.isZero(number);
    if (zero && this.zeroFrame !== undefined && Buffer.compare(this.zeroFrame, frame) === 0) return;
    this.decoder.check(this.table.place(number), frame);
    if (zero) this.zeroFrame = frame.slice();
  }

  /** @returns the chunk's bytes. @throws CHUNK_DIGEST_MISMATCH */
  decode(number: number, frame: Uint8Array): Uint8Array {
    return this.decoder.decode(this.table.place(number), frame);
  }
}
