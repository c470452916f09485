/**
 * The fault server: answers FUSE requests, fetches what is missing. It holds no state that its successor needs, so it
 * may be killed at any moment; what it had not answered is delivered again.
 *
 * Two halves. The session thread answers what is here, and is all that readers wait for when a server has to start under them: what
 * fetching takes is loaded after that. Of the first server of a mount both are loaded at once.
 */
import { STATISTICS_SIZE } from '../image/lazy-statistics.js';
import type { Fetching, ServerListener } from './fetching.js';
import type { ServerQuestion } from './messages.js';
import type { MountPlan } from './plan.js';
import type { ServingThread } from './serving-thread.js';

/** A request that the session thread works on for longer than this, in milliseconds, will not end: it never waits for the network. */
const STUCK_AFTER = 4000;

export class Server {
  private lastLook = { handled: -1, since: 0 };
  /** The session thread stands at the gate. Rejects when it could not open the image. */
  readonly ready: Promise<void>;
  /** Rejects when what fetching takes could not be opened. */
  readonly fetching: Promise<Fetching>;

  /**
   * Has the session thread open what the plan names, and wait for {@link serve}.
   *
   * @param thread that has no plan yet
   * @param first of its mount: it will serve, so what a start reads is sent for while the rest of the mount is made
   */
  constructor(plan: MountPlan, private readonly thread: ServingThread, listener: ServerListener, first: boolean) {
    const { gate, counters } = thread;
    if (plan.content.kind === 'image' && plan.content.offline) gate.setLocal();
    this.ready = thread.open(plan, (report) => { this.withFetching((fetching) => { fetching.hear(report); }); });
    const ours = new Float64Array(STATISTICS_SIZE);
    const open = async (): Promise<Fetching> => (await import('./fetching.js')).Fetching.open(plan, gate, [ours, counters], listener);
    this.fetching = first ? open() : this.ready.then(open);
    if (first) this.withFetching((fetching) => { fetching.prefetch(); });
    this.fetching.catch(() => undefined); // Heard by whoever waits for it.
  }

  /** @param successor whether another server served before: then what it left unanswered is asked for again */
  serve(successor: boolean): void {
    this.thread.gate.open(successor);
    if (successor) this.withFetching((fetching) => { fetching.prefetch(); });
    this.withFetching((fetching) => { fetching.begin(); });
  }

  /** Whether the session thread has been busy with one request for too long. @param now milliseconds of a steady clock */
  isStuck(now: number): boolean {
    const { busy, handled } = this.thread.gate;
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
