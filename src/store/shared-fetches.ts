/**
 * Processes that miss the same chunk share one fetch: who sends for a chunk holds a lock on it, the others wait until it is in the cache
 * that they share. Locks end with their holder, and nobody waits long: sharing saves requests, nothing depends on it.
 */
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fromErrno } from '../errors.js';
import { tryByteLock, unlockByte } from '../sys/range-lock.js';
import type { ChunkRef, ChunkStore } from './chunk-store.js';
import { Promised } from './promised.js';

/** Milliseconds between two looks whether another process has finished: at first, and at most. */
const FIRST_INTERVAL = 2;
const LONGEST_INTERVAL = 20;
/** Milliseconds after which another process is not waited for any more: it may have a worse link, or be stopped. */
const PATIENCE = 5000;

/** Chunks are undefined when another process has put them into the cache. */
export class SharedFetches<Landed> implements ChunkStore<Landed | undefined> {
  private readonly locks: number;

  /**
   * @param folder of the cache
   * @param isHere whether the cache has a chunk
   * @throws NOT_PERMITTED, NO_SPACE, IO_FAILED
   */
  constructor(private readonly inner: ChunkStore<Landed>, folder: string, private readonly isHere: (chunk: number) => boolean) {
    try {
      this.locks = openSync(`${folder}/fetching`, 'a', 0o600);
    } catch (error) {
      throw fromErrno(error, `using the cache ${folder}`);
    }
  }

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed | undefined>[] {
    const answers = new Map<ChunkRef, Promise<Landed | undefined>>();
    const own = chunks.filter((chunk) => this.lock(chunk));
    this.fetch(own, signal).forEach((answer, i) => answers.set(own[i]!, answer));
    const others = new Map(chunks.filter((chunk) => !answers.has(chunk)).map((chunk) => [chunk, new Promised<Landed | undefined>()]));
    for (const [chunk, { promise }] of others) answers.set(chunk, promise);
    void this.waitFor(others, signal);
    return chunks.map((chunk) => answers.get(chunk)!);
  }

  /** Lets go of the folder. Nothing may be asked of the store afterwards. */
  close(): void {
    closeSync(this.locks);
  }

  /** @param locked chunks that are ours to fetch; they may have come between the look that missed them and the lock */
  private fetch(locked: readonly ChunkRef[], signal: AbortSignal | undefined): Promise<Landed | undefined>[] {
    const missing = locked.filter((chunk) => !this.isHere(chunk.number));
    const fetched = new Map(this.inner.get(missing, signal).map((answer, i) => [missing[i]!, answer]));
    return locked.map(async (chunk) => {
      try {
        return await fetched.get(chunk);
      } finally {
        unlockByte(this.locks, placeOf(chunk));
      }
    });
  }

  /** What others have fetched is found in the cache as soon as its lock is free; what they have not, we fetch. */
  private async waitFor(others: Map<ChunkRef, Promised<Landed | undefined>>, signal: AbortSignal | undefined): Promise<void> {
    const deadline = performance.now() + PATIENCE;
    for (let interval = FIRST_INTERVAL; others.size > 0; interval = Math.min(2 * interval, LONGEST_INTERVAL)) {
      await delay(interval);
      const impatient = signal?.aborted === true || performance.now() > deadline;
      const ours = [...others.keys()].filter((chunk) => this.lock(chunk) || impatient);
      this.fetch(ours, signal).forEach((answer, i) => { answer.then(others.get(ours[i]!)!.resolve, others.get(ours[i]!)!.reject); });
      for (const chunk of ours) others.delete(chunk);
    }
  }

  private lock(chunk: ChunkRef): boolean {
    return tryByteLock(this.locks, placeOf(chunk));
  }
}

/** A number that equal chunks of all images have, and others hardly ever. */
function placeOf({ id }: ChunkRef): number {
  return Buffer.from(id.buffer, id.byteOffset).readUIntBE(0, 6);
}
