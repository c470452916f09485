/**
 * The fault server: answers FUSE requests, fetches what is missing. It holds no state that its successor needs, so it
 * may be killed at any moment; what it had not answered is delivered again.
 *
 * Two halves. The session thread answers what is here, and is all that readers wait for when a server has to start under them: what
 * fetching takes is loaded after that. Of the first server of a mount both are loaded at once.
 */
import { Worker } from 'node:worker_threads';
import { STATISTICS_SIZE } from '../image/lazy-statistics.js';
import type { Fetching, ServerListener } from './fetching.js';
import { errorOf, type ServerQuestion } from './messages.js';
import type { MountPlan } from './plan.js';
import { SessionGate, type ThreadInput, type ThreadMessage } from './session-gate.js';

/** A request that the session thread works on for longer than this, in milliseconds, will not end: it never waits for the network. */
const STUCK_AFTER = 4000;

export class Server {
  private lastLook = { handled: -1, since: 0 };
  private readonly gate = new SessionGate();
  private readonly counters = [0, 1].map(() => new Float64Array(new SharedArrayBuffer(8 * STATISTICS_SIZE)));
  /** The session thread stands at the gate. Rejects when it could not open the image. */
  readonly ready: Promise<void>;
  /** Rejects when what fetching takes could not be opened. */
  readonly fetching: Promise<Fetching>;
  /** The session is over: unmounted or aborted. */
  readonly ended: Promise<void>;

  /**
   * Starts the session thread, which waits for {@link serve}.
   *
   * @param first of its mount: it will serve, so what a start reads is sent for while the rest of the mount is made
   */
  constructor(plan: MountPlan, listener: ServerListener, first: boolean) {
    if (plan.content.kind === 'image' && plan.content.offline) this.gate.setLocal();
    const thread = new Worker(new URL('session-thread.js', import.meta.url), { workerData: { plan, words: this.gate.words, counters: this.counters[1]! } satisfies ThreadInput });
    this.ended = new Promise<void>((resolve) => thread.once('exit', () => { resolve(); }));
    this.ready = new Promise<void>((resolve, reject) => {
      // A failure of the thread later on is thrown here too: the process dies of it, and the standby takes over.
      thread.on('error', (error) => { reject(error); throw error; });
      thread.on('message', (message: ThreadMessage) => {
        if (message.type === 'loaded') resolve();
        else if (message.type === 'failed') reject(errorOf(message.error));
        else this.withFetching((fetching) => { fetching.hear(message); });
      });
    });
    const open = async (): Promise<Fetching> => (await import('./fetching.js')).Fetching.open(plan, this.gate, this.counters, listener);
    this.fetching = first ? open() : this.ready.then(open);
    if (first) this.withFetching((fetching) => { fetching.prefetch(); });
    this.fetching.catch(() => undefined); // Heard by whoever waits for it.
  }

  /** @param successor whether another server served before: then what it left unanswered is asked for again */
  serve(successor: boolean): void {
    this.gate.open(successor);
    if (successor) this.withFetching((fetching) => { fetching.prefetch(); });
    this.withFetching((fetching) => { fetching.begin(); });
  }

  /** Whether the session thread has been busy with one request for too long. @param now milliseconds of a steady clock */
  isStuck(now: number): boolean {
    const { busy, handled } = this.gate;
    if (!busy || handled !== this.lastLook.handled) this.lastLook = { handled: busy ? handled : -1, since: now };
    return busy && now - this.lastLook.since > STUCK_AFTER;
  }

  /** In the order of the calls. */
  private withFetching(use: (fetching: Fetching) => void): void {
    this.fetching.then(use, () => undefined);
  }

  async answer(question: ServerQuestion): Promise<unknown> {
    return (await this.fetching).answer(question);
  }
}
