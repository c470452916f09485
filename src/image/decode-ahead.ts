/** Chunks of a local image, decoded by worker threads before a reader that goes through it in order asks for them. */
import type { RandomAccess } from '../bytes/random-access.js';
import type { WorkerPool } from '../chunk/pool.js';
import { batchSizeOf } from '../chunk/slot.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import { ChunkMemory } from '../store/chunk-memory.js';
import { ignoreFailure } from '../store/departure.js';
import { MiB } from '../units.js';
import { compareId } from './chunk-id.js';
import { ChunkView } from './fault.js';
import type { Image } from './image.js';

/** Raw bytes that are decoded ahead, and those that are kept, behind the reader too: files end where chunks do not. */
const [WINDOW, KEPT] = [8 * MiB, 24 * MiB];

export class DecodeAhead {
  /** The raw image: chunks that were decoded ahead, and any other decoded on this thread. */
  readonly view: RandomAccess;
  private readonly decoded = new ChunkMemory(KEPT);
  private readonly arriving = new Map<number, Promise<void>>();
  private readonly batches: Promise<void>[] = [];
  private readonly slotCount: number;
  /** How many of the wanted chunks were given out. */
  private given = 0;

  /**
   * @param fd of the image's file
   * @param pool made for its chunk size and salt, and used by nobody else
   * @param wanted numbers of chunks, ascending
   */
  constructor(private readonly image: Image, private readonly fd: number, private readonly pool: WorkerPool, private readonly wanted: Uint32Array, private readonly signal: AbortSignal | undefined) {
    this.slotCount = pool.freeSlots.length;
    const { raw, index: { chunkSize } } = image.manifest;
    this.view = new ChunkView(raw.size, chunkSize, (chunk) => {
      const offset = chunk * chunkSize;
      return this.decoded.find(chunk) ?? image.randomAccess.read(offset, Math.min(chunkSize, raw.size - offset));
    });
  }

  /**
   * @param first chunk that is read next @param last with it
   * @returns when those of them are decoded that were given out; one that lies far ahead is not waited for
   * @throws CHUNK_DIGEST_MISMATCH, TRUNCATED, INDEX_DIGEST_MISMATCH; the signal's reason
   */
  async reach(first: number, last: number): Promise<void> {
    const { wanted } = this;
    const ahead = WINDOW / this.image.manifest.index.chunkSize;
    if (last <= (wanted[this.given + ahead] ?? Infinity)) while (this.given < wanted.length && wanted[this.given]! <= last + ahead) this.giveOut();
    for (let chunk = first; chunk <= last; chunk++) await this.arriving.get(chunk);
  }

  /** A run of chunks that lie in a row, at most a batch. */
  private giveOut(): void {
    const { wanted, batches } = this;
    const { chunkSize } = this.image.manifest.index;
    const first = wanted[this.given]!;
    let count = 1;
    while (count < batchSizeOf(chunkSize) / chunkSize && wanted[this.given + count] === first + count) count++;
    this.given += count;
    // The batch before has given its slot back when it ends: one is free then.
    const batch = this.decode(first, count, batches[batches.length - this.slotCount]);
    ignoreFailure(batch); // who needs its chunks is told
    batches.push(batch);
    for (let chunk = first; chunk < first + count; chunk++) this.arriving.set(chunk, batch);
  }

  private async decode(first: number, count: number, before: Promise<void> | undefined): Promise<void> {
    const { chunkSize } = this.image.manifest.index;
    const places = await this.image.locate(first, first + count, { signal: this.signal });
    await before;
    const slot = this.pool.freeSlots.pop()!;
    places.forEach(({ frameSize }, i) => { slot.frameSizes[i] = frameSize; });
    const size = places.reduce((sum, place) => sum + place.size, 0);
    await this.pool.run(slot, { kind: 'unpack', size, fd: this.fd, offset: places[0]!.frameOffset, firstChunk: first, keepRaw: true });
    const raw = slot.raw.slice(0, size);
    places.forEach((place, i) => {
      compareId(place, slot.ids.subarray(i * DIGEST_SIZE, (i + 1) * DIGEST_SIZE), chunkSize);
      this.decoded.keep(place.number, raw.subarray(i * chunkSize, i * chunkSize + place.size));
      this.arriving.delete(place.number);
    });
    this.pool.freeSlots.push(slot);
  }
}
