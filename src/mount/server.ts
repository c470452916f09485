/**
 * The fault server: answers FUSE requests, fetches what is missing. It holds no state that its successor needs, so it
 * may be killed at any moment; what it had not answered is delivered again.
 */
import { readFileSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { DeferredRequests } from '../fuse/deferred.js';
import { requestResend } from '../fuse/device.js';
import { addStatistics, STATISTICS_SIZE } from '../image/lazy-statistics.js';
import { openContent, type Content } from './content.js';
import { errnoOf } from './errno.js';
import type { Fault } from './file-status.js';
import type { ServerQuestion } from './messages.js';
import type { MountPlan } from './plan.js';
import { FUSE_DESCRIPTOR, SessionGate, VALID_SECONDS, type ThreadInput, type ThreadMessage } from './session-gate.js';

/** A request that the session thread works on for longer than this, in milliseconds, will not end: it never waits for the network. */
const STUCK_AFTER = 4000;

/** Reads that waited for the origin, remembered for `status`. */
const FAULTS_KEPT = 16;

/** Milliseconds between two looks for what was fetched, where somebody wants to know. */
const ARRIVALS_INTERVAL = 250;

/** Whom a server tells things without being asked. */
export interface ServerListener {
  /** Once: the raw image lies in this file. */
  complete(path: string): void;
  /** Chunks were fetched; only where the plan says `populate`. */
  arrived(): void;
}

export class Server {
  private lastLook = { handled: -1, since: 0 };

  private constructor(
    private readonly plan: MountPlan, private readonly listener: ServerListener, private readonly content: Content, private readonly deferred: DeferredRequests,
    private readonly gate: SessionGate, private readonly counters: readonly Float64Array[], private readonly faults: readonly Fault[], readonly ended: Promise<void>,
  ) {}

  /**
   * Loads everything and starts the session thread, which waits for {@link serve}.
   *
   * @param first of its mount: it will serve, so what a start reads is sent for while the rest of the mount is made
   */
  static async load(plan: MountPlan, listener: ServerListener, first: boolean): Promise<Server> {
    const counters = [0, 1].map(() => new Float64Array(new SharedArrayBuffer(8 * STATISTICS_SIZE)));
    const content = await openContent(plan, counters[0]!);
    if (first) content.prefetch();
    const faults: Fault[] = [];
    const deferred = new DeferredRequests({
      fd: FUSE_DESCRIPTOR, fileSystem: content.fileSystem, validSeconds: VALID_SECONDS, errnoOf, isDying,
      fetch: (chunks, signal) => {
        faults.push({ at: Date.now(), chunks });
        if (faults.length > FAULTS_KEPT) faults.shift();
        return content.fetch(chunks, signal);
      },
    });
    const gate = new SessionGate();
    if (plan.content.kind === 'image' && plan.content.offline) gate.setLocal();
    const thread = new Worker(new URL('session-thread.js', import.meta.url), { workerData: { plan, words: gate.words, counters: counters[1]! } satisfies ThreadInput });
    const ended = new Promise<void>((resolve) => thread.once('exit', () => { resolve(); }));
    await new Promise<void>((resolve, reject) => {
      // A failure of the thread later on is thrown here too: the process dies of it, and the standby takes over.
      thread.on('error', (error) => { reject(error); throw error; });
      thread.on('message', (message: ThreadMessage) => {
        if (message.type === 'loaded') resolve();
        else if (message.type === 'deferred') deferred.accept(message.request, message.missing);
        else if (message.type === 'touched') content.touch(message.chunk);
        else if (message.type === 'read') content.record(message.offset, message.length);
        else deferred.interrupt(message.unique);
      });
    });
    return new Server(plan, listener, content, deferred, gate, counters, faults, ended);
  }

  /** @param successor whether another server served before: then what it left unanswered is asked for again */
  serve(successor: boolean): void {
    if (successor) requestResend(FUSE_DESCRIPTOR);
    if (successor) this.content.prefetch();
    this.content.begin();
    this.gate.open();
    if (this.plan.populate === true) this.reportArrivals();
    if (this.plan.content.kind === 'image' && this.plan.content.fill) this.complete().catch((error: unknown) => { console.error('filling:', error); });
  }

  /** After {@link Server.ended}: writes what is not written yet. */
  finish(): void {
    this.content.finish();
  }

  private reportArrivals(): void {
    let last = 0;
    setInterval(() => {
      const { fetched } = addStatistics(this.counters);
      if (fetched !== last) this.listener.arrived();
      last = fetched;
    }, ARRIVALS_INTERVAL).unref();
  }

  /** Fetches the rest, and announces the raw image when there is one. */
  private async complete(): Promise<void> {
    const path = await this.content.completion?.run();
    this.gate.setLocal();
    if (path !== undefined) this.listener.complete(path);
  }

  /** Whether the session thread has been busy with one request for too long. @param now milliseconds of a steady clock */
  isStuck(now: number): boolean {
    const { busy, handled } = this.gate;
    if (!busy || handled !== this.lastLook.handled) this.lastLook = { handled: busy ? handled : -1, since: now };
    return busy && now - this.lastLook.since > STUCK_AFTER;
  }

  answer(question: ServerQuestion): unknown {
    if (question.command === 'fill') return this.complete();
    if (question.command === 'stop-filling') return this.content.completion?.stop();
    return { ...this.content.status(), ...addStatistics(this.counters), fuseRequests: this.gate.handled, fuseRequestsWaiting: this.deferred.count, faults: this.faults };
  }
}

/** Whether a process has a SIGKILL pending (signal 9 is bit 8 of the masks), which also any other fatal signal becomes. */
function isDying(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'latin1');
    return [...status.matchAll(/^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$/gm)].some((match) => (parseInt(match[1]!.slice(-4), 16) & 0x100) !== 0);
  } catch {
    return true;
  }
}
