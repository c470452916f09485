/** Memory that the main thread and a worker share: one batch with everything that becomes of it, so that no byte is sent. */
import { DIGEST_SIZE } from '../hash/sha256.js';
import { BLOCK_SIZE, MiB } from '../units.js';

/** Raw bytes of a batch: enough work for a message to cost nothing, little enough to keep all processors busy to the end. */
const BATCH_SIZE = MiB;

export interface SlotShape {
  readonly chunkSize: number;
  /** The most bytes that the frame of a chunk may have. */
  readonly frameBound: number;
}

/** @returns raw bytes of a batch: whole chunks */
export function batchSizeOf(chunkSize: number): number {
  return Math.max(chunkSize, BATCH_SIZE);
}

export class Slot {
  /** Bytes of each chunk's frame. */
  readonly frameSizes: Uint32Array;
  /** Chunk after chunk. */
  readonly raw: Uint8Array;
  /** Frame after frame, without gaps. */
  readonly frames: Uint8Array;
  /** Digest of each block. */
  readonly leaves: Uint8Array;
  /** Digest of each chunk. */
  readonly ids: Uint8Array;

  /** @param memory of {@link Slot.memoryOf} bytes; by default a new one */
  constructor({ chunkSize, frameBound }: SlotShape, readonly memory = new SharedArrayBuffer(memoryOf({ chunkSize, frameBound }))) {
    const batchSize = batchSizeOf(chunkSize);
    const chunks = batchSize / chunkSize;
    let at = 0;
    const take = (size: number): Uint8Array => new Uint8Array(memory, (at += size) - size, size);
    this.frameSizes = new Uint32Array(memory, 0, chunks);
    at = this.frameSizes.byteLength;
    this.raw = take(batchSize);
    this.frames = take(chunks * frameBound);
    this.leaves = take(batchSize / BLOCK_SIZE * DIGEST_SIZE);
    this.ids = take(chunks * DIGEST_SIZE);
  }
}

function memoryOf({ chunkSize, frameBound }: SlotShape): number {
  const batchSize = batchSizeOf(chunkSize);
  const chunks = batchSize / chunkSize;
  return chunks * (4 + frameBound + DIGEST_SIZE) + batchSize + batchSize / BLOCK_SIZE * DIGEST_SIZE;
}
