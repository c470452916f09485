/** The session thread as the rest of its server sees it: it loads before anybody knows what to serve, opens that, and waits at the gate. */
import { Worker } from 'node:worker_threads';
import { STATISTICS_SIZE } from '../image/lazy-statistics.js';
import { errorOf } from './messages.js';
import type { MountPlan } from './plan.js';
import { SessionGate, type ThreadInput, type ThreadMessage, type ThreadReport } from './session-gate.js';

export class ServingThread {
  readonly gate = new SessionGate();
  /** Where it counts. */
  readonly counters = new Float64Array(new SharedArrayBuffer(8 * STATISTICS_SIZE));
  private readonly worker: Worker;
  /** The session is over: unmounted or aborted. */
  readonly ended: Promise<void>;

  /** @param standby it will not serve at once */
  constructor(standby: boolean) {
    const worker = new Worker(new URL('session-thread.js', import.meta.url), { workerData: { words: this.gate.words, counters: this.counters, standby } satisfies ThreadInput });
    this.worker = worker;
    this.ended = new Promise((resolve) => worker.once('exit', () => { resolve(); }));
  }

  /**
   * @param hear told what comes up while it serves
   * @returns when it stands at the gate; rejects with why it could not open what the plan names
   */
  open(plan: MountPlan, hear: (report: ThreadReport) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      // A failure of the thread later on is thrown here too: the process dies of it, and the standby takes over.
      this.worker.on('error', (error) => { reject(error); throw error; });
      this.worker.on('message', (message: ThreadMessage) => {
        if (message.type === 'loaded') resolve();
        else if (message.type === 'failed') reject(errorOf(message.error));
        else hear(message);
      });
      this.worker.postMessage(plan);
    });
  }
}
