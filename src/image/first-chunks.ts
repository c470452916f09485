/**
 * The answer that brings the head brings the first chunks behind it as well: kept, a mount begins without asking for them again. Those
 * that follow come over the same connection sooner than over one that is still to be made.
 */
import { toHex } from '../bytes/hex.js';
import { isPagePlace, type ChunkPlace } from '../chunk/index-reader.js';
import type { OpenedSource, ReadOptions } from '../source/range-source.js';
import type { DiskStore } from '../store/disk-store.js';
import { RemoteStore } from '../store/remote-store.js';
import { SharedFetches } from '../store/shared-fetches.js';
import { KiB } from '../units.js';
import { LocalImage } from './local-image.js';

/** Requests at a time, and frame bytes of each: as much as a short link holds, and few enough to give up on a slow one. */
const PARALLEL = 4;
const STEP_SIZE = 128 * KiB;

export class FirstChunks extends LocalImage {
  /** Chunks that were not here before, and are now. */
  kept = 0;

  /**
   * @param head as it was trusted
   * @param opened the origin with its first bytes
   */
  constructor(head: Uint8Array, private readonly opened: OpenedSource, private readonly cache: DiskStore) {
    super({ head, locations: [], cache, memorySize: 0 }, []);
  }

  /**
   * Fetches the index page that tells of the first chunks, over the connection that is open already, and keeps it and them.
   *
   * @throws what reading the page throws; INDEX_DIGEST_MISMATCH, CHUNK_DIGEST_MISMATCH: nothing that is wrong is kept
   */
  async keepOpening(options: ReadOptions = {}): Promise<void> {
    const { source, opening } = this.opened;
    for (let place = this.localIndex.descend(0); isPagePlace(place); place = this.localIndex.descend(0)) {
      this.localIndex.accept(place, await source.read(place.offset, place.size, options));
    }
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      const place = this.localIndex.find(chunk);
      if (place === undefined || place.frameOffset + place.frameSize > opening.length) break;
      if (!this.has(place)) this.keepFrame(place, opening.subarray(place.frameOffset, place.frameOffset + place.frameSize));
    }
  }

  /**
   * Fetches on in order, as far as that page tells; who fetches the same at the same time shares the requests.
   *
   * @throws what fetching throws; what came before is kept
   */
  async keepOn(signal: AbortSignal): Promise<void> {
    const remote = new RemoteStore(this.opened.source, (place, frame) => { this.keepFrame(place, frame); }, () => undefined, { parallel: PARALLEL, gapSize: 0 });
    const shared = new SharedFetches(remote, this.cache.folder, (chunk) => this.has(this.localIndex.find(chunk)!));
    const steps = this.steps();
    const work = async (): Promise<void> => { for (const step of steps) await Promise.all(shared.get(step, signal)); };
    const ends = await Promise.allSettled(Array.from({ length: PARALLEL }, work));
    shared.close();
    const failed = ends.find(({ status }) => status === 'rejected');
    if (failed !== undefined) throw (failed as PromiseRejectedResult).reason as Error;
  }

  /** Neighbours that are not here, some at a time. */
  private* steps(): Generator<ChunkPlace[]> {
    let step: ChunkPlace[] = [];
    let size = 0;
    for (let chunk = 0; chunk < this.chunkCount; chunk++) {
      const place = this.localIndex.find(chunk);
      if (place === undefined) break;
      if (this.has(place)) continue;
      step.push(place);
      size += place.frameSize;
      if (size < STEP_SIZE) continue;
      yield step;
      [step, size] = [[], 0];
    }
    if (step.length > 0) yield step;
  }

  private has({ id }: ChunkPlace): boolean {
    return this.cache.has(toHex(id));
  }

  private keepFrame(place: ChunkPlace, frame: Uint8Array): void {
    this.decoder.check(place, frame);
    this.cache.write(toHex(place.id), frame);
    this.kept++;
  }
}
