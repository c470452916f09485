/** Worker threads over shared slots. A failure, a dead worker or an abort ends the whole pool: no call is left waiting. */
import { Worker } from 'node:worker_threads';
import { ThawfsError } from '../errors.js';
import type { Job } from './job.js';
import { Slot, type SlotShape } from './slot.js';
import type { Answer, Failure, Order, WorkerStart } from './worker.js';

/** One that is worked on, one that waits, one that is filled or written out, for each worker. */
const SLOTS_PER_WORKER = 3;
/** V8 lets the young generation of a thread grow to 48 MiB; the workers make nothing but short-lived digests. */
const YOUNG_GENERATION_MIB = 4;

export interface PoolOptions {
  readonly shape: SlotShape;
  readonly level: number;
  readonly salt: Uint8Array;
  /** Worker threads at most; they are started as work comes. */
  readonly jobs: number;
  readonly signal?: AbortSignal;
}

interface Thread {
  readonly worker: Worker;
  readonly exited: Promise<unknown>;
  /** Jobs given and not answered. */
  load: number;
}

interface Waiting {
  readonly thread: Thread;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export class WorkerPool {
  /** Who takes a slot out of here gives it back when its batch is done with. */
  readonly freeSlots: Slot[];
  private readonly slots: readonly Slot[];
  private readonly threads: Thread[] = [];
  private readonly waiting = new Map<number, Waiting>();
  /** Not 0: threads leave out the jobs that still wait for them. */
  private readonly stop = new Int32Array(new SharedArrayBuffer(4));
  /** Why no more work is done. */
  private ended: { readonly reason: unknown } | undefined;

  constructor(private readonly options: PoolOptions) {
    this.slots = Array.from({ length: options.jobs * SLOTS_PER_WORKER }, () => new Slot(options.shape));
    this.freeSlots = [...this.slots];
    options.signal?.addEventListener('abort', this.onAbort, { once: true });
    if (options.signal?.aborted === true) this.onAbort();
  }

  /** Starts all threads before there is work, so that they are ready when it comes. */
  warm(): void {
    while (this.threads.length < this.options.jobs) this.startThread();
  }

  /** @returns when the slot holds the result; rejected with the worker's own error, the signal's reason, or WORKER_FAILED */
  run(slot: Slot, job: Job): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      if (this.ended !== undefined) throw this.ended.reason;
      const thread = this.pickThread();
      const number = this.slots.indexOf(slot);
      this.waiting.set(number, { thread, resolve, reject });
      thread.load++;
      thread.worker.postMessage({ slot: number, job } satisfies Order);
    });
    done.catch(() => undefined); // whoever waits for it gets it; that may be after it failed
    return done;
  }

  /**
   * Lets each thread finish the batch that it is at, and end. It is not terminated: a thread that is stopped inside a native call
   * (libzstd through FFI) takes the whole process with it.
   */
  async close(): Promise<void> {
    this.end(new ThawfsError('INTERRUPTED', 'the worker pool is closed'));
    Atomics.store(this.stop, 0, 1);
    for (const { worker } of this.threads) worker.postMessage('end' satisfies Order);
    await Promise.all(this.threads.map(({ exited }) => exited));
  }

  private pickThread(): Thread {
    const least = this.threads.reduce<Thread | undefined>((best, thread) => (best !== undefined && best.load <= thread.load ? best : thread), undefined);
    if (least !== undefined && (least.load === 0 || this.threads.length === this.options.jobs)) return least;
    return this.startThread();
  }

  private startThread(): Thread {
    const { shape, level, salt } = this.options;
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: { shape, level, salt, stop: this.stop, memories: this.slots.map(({ memory }) => memory) } satisfies WorkerStart,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB },
      execArgv: [], // `node --input-type=module -e` is about its program, not about this file
    });
    const thread: Thread = { worker, load: 0, exited: new Promise((resolve) => worker.once('exit', resolve)) };
    worker.on('message', (answer: Answer) => { this.settle(answer); });
    worker.on('error', (cause) => { this.end(died(cause)); });
    worker.on('exit', (status) => { this.end(died(`exit status ${status}`)); });
    this.threads.push(thread);
    return thread;
  }

  private settle({ slot, failure }: Answer): void {
    const waiting = this.waiting.get(slot);
    if (waiting === undefined) return;
    this.waiting.delete(slot);
    waiting.thread.load--;
    if (failure === undefined) waiting.resolve();
    else {
      const reason = revived(failure);
      waiting.reject(reason);
      this.end(reason);
    }
  }

  /** The first reason stays: what follows are its consequences. */
  private end(reason: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = { reason };
    this.options.signal?.removeEventListener('abort', this.onAbort);
    for (const { reject } of this.waiting.values()) reject(reason);
    this.waiting.clear();
  }

  private readonly onAbort = (): void => { this.end(this.options.signal?.reason); };
}

function revived({ code, message, detail, suggestions: [suggestion], cause }: Failure): ThawfsError {
  return new ThawfsError(code, message, { detail, cause, ...(suggestion === undefined ? {} : { suggestion }) });
}

function died(cause: unknown): ThawfsError {
  return new ThawfsError('WORKER_FAILED', 'a worker thread ended by itself', {
    suggestion: 'Free some memory, or give fewer --jobs; if it happens again, report it.', cause,
  });
}
