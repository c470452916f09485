/**
 * Frames that nobody waits for are checked and written to the cache on a thread of their own. A file costs more than checking what goes into it, and
 * all that together half a processor on a fast link: on the main thread, readers that wait for something else would wait for that too.
 */
import { Worker } from 'node:worker_threads';
import type { ChunkPlace } from '../chunk/index-reader.js';
import type { DiskStore, DiskStoreStatistics } from '../store/disk-store.js';
import { Promised } from '../store/promised.js';
import type { KeeperAnswer, KeeperBatch, KeeperOrder, KeeperStart } from './keeper-thread.js';

/** Frames of one batch: one lock for all, and short enough for others that write to the cache. Milliseconds until fewer go. */
const BATCH_MAX = 8;
const BATCH_TIME = 4;
/** The thread makes next to nothing, and memory counts: V8 would let a young generation grow to 48 MiB. */
const YOUNG_GENERATION_MIB = 2;

interface Frame {
  readonly place: ChunkPlace;
  /** A copy that goes to the thread. */
  readonly bytes: Uint8Array;
  readonly verdict: Promised<boolean>;
}

export class FrameKeeper {
  private worker: Worker | undefined;
  private exited: Promise<void> | undefined;
  private isDead = false;
  private gathered: Frame[] = [];
  private timer: NodeJS.Timeout | undefined;
  /** Batches at the thread; it answers in order. */
  private readonly sent: (readonly Frame[])[] = [];
  private counted: DiskStoreStatistics = { hits: 0, misses: 0, written: 0, evicted: 0, writeFailures: 0 };

  /** No thread is started before there is a frame. @param store what the thread does to its folder is counted in its statistics */
  constructor(private readonly store: DiskStore, private readonly chunkSize: number, private readonly salt: Uint8Array) {}

  /**
   * @param frame copied
   * @returns true when it is the chunk's, and in the cache if that had room; false when it is not, or when there is no thread to tell
   */
  keep(place: ChunkPlace, frame: Uint8Array): Promise<boolean> {
    if (this.isDead) return Promise.resolve(false);
    const { number, size, frameOffset, frameSize } = place;
    const verdict = new Promised<boolean>();
    // Copies: a view goes between threads with all that it is a view of.
    this.gathered.push({ place: { number, size, frameOffset, frameSize, id: new Uint8Array(place.id) }, bytes: new Uint8Array(frame), verdict });
    if (this.gathered.length === BATCH_MAX) this.send();
    else this.timer ??= setTimeout(() => { this.send(); }, BATCH_TIME);
    return verdict.promise;
  }

  /** Lets the thread finish what it has, and end. */
  async close(): Promise<void> {
    this.send();
    this.isDead = true;
    this.worker?.ref();
    this.worker?.postMessage('end' satisfies KeeperOrder);
    await this.exited;
  }

  private send(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const batch = this.gathered;
    if (batch.length === 0) return;
    this.gathered = [];
    this.sent.push(batch);
    const order: KeeperBatch = { places: batch.map(({ place }) => place), frames: batch.map(({ bytes }) => bytes) };
    const thread = this.thread();
    thread.ref();
    thread.postMessage(order, order.frames.map(({ buffer }) => buffer as ArrayBuffer));
  }

  private thread(): Worker {
    if (this.worker !== undefined) return this.worker;
    const { store: { folder, budget }, chunkSize, salt } = this;
    const worker = new Worker(new URL('./keeper-thread.js', import.meta.url), {
      workerData: { folder, budget, chunkSize, salt } satisfies KeeperStart, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB }, execArgv: [], // as in the pool
    });
    this.worker = worker;
    worker.on('message', ({ sound, statistics }: KeeperAnswer) => {
      this.count(statistics);
      this.sent.shift()?.forEach(({ verdict }, i) => { verdict.resolve(sound[i]!); });
      // A thread that has nothing to do keeps no process alive; one that is being closed is waited for.
      if (this.sent.length === 0 && !this.isDead) worker.unref();
    });
    worker.on('error', (error) => { console.error('keeping chunks:', error); });
    this.exited = new Promise((resolve) => worker.once('exit', () => {
      this.isDead = true;
      // Whoever asked checks and keeps for himself.
      for (const { verdict } of [...this.sent.splice(0).flat(), ...this.gathered.splice(0)]) verdict.resolve(false);
      resolve();
    }));
    return worker;
  }

  private count(now: DiskStoreStatistics): void {
    const { statistics } = this.store;
    for (const name of ['written', 'evicted', 'writeFailures'] as const) statistics[name] += now[name] - this.counted[name];
    if (now.writeFailures > this.counted.writeFailures && now.lastFailure !== undefined) statistics.lastFailure = now.lastFailure;
    this.counted = now;
  }
}
