/** The main thread's half of a server: fetches what the session thread found missing, and answers what waited for it. */
import { readFileSync } from 'node:fs';
import { DeferredRequests } from '../fuse/deferred.js';
import { addStatistics } from '../image/lazy-statistics.js';
import { openContent, type Content } from './content.js';
import { errnoOf } from './errno.js';
import type { Fault } from './file-status.js';
import type { ServerQuestion } from './messages.js';
import type { MountPlan } from './plan.js';
import { FUSE_DESCRIPTOR, VALID_SECONDS, type SessionGate, type ThreadReport } from './session-gate.js';

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

export class Fetching {
  private readonly deferred: DeferredRequests;
  private readonly faults: Fault[] = [];

  private constructor(
    private readonly plan: MountPlan, private readonly gate: SessionGate, private readonly counters: readonly Float64Array[], private readonly listener: ServerListener, private readonly content: Content,
  ) {
    this.deferred = new DeferredRequests({
      fd: FUSE_DESCRIPTOR, fileSystem: content.fileSystem, validSeconds: VALID_SECONDS, errnoOf, isDying,
      fetch: (chunks, signal) => {
        this.faults.push({ at: Date.now(), chunks });
        if (this.faults.length > FAULTS_KEPT) this.faults.shift();
        return content.fetch(chunks, signal);
      },
    });
  }

  /** @param counters where this thread counts, and the other */
  static async open(plan: MountPlan, gate: SessionGate, counters: readonly Float64Array[], listener: ServerListener): Promise<Fetching> {
    return new Fetching(plan, gate, counters, listener, await openContent(plan, counters[0]!));
  }

  /** What the session thread says while it serves. */
  hear(report: ThreadReport): void {
    switch (report.type) {
      case 'deferred':
        this.deferred.accept(report.request, report.missing);
        break;
      case 'touched':
        this.content.touch(report.chunk);
        break;
      case 'read':
        this.content.record(report.offset, report.length);
        break;
      case 'interrupted':
        this.deferred.interrupt(report.unique);
        break;
    }
  }

  /** Sends for what every start reads. */
  prefetch(): void {
    this.content.prefetch();
  }

  /** This process serves from now on. */
  begin(): void {
    this.content.begin();
    if (this.plan.populate === true) this.reportArrivals();
    const { content } = this.plan;
    if (content.kind === 'image' && content.fill) this.complete(!content.offline).catch((error: unknown) => { console.error('filling:', error); });
  }

  /** The mount has ended: writes what is not written yet. */
  finish(): void {
    this.content.finish();
  }

  answer(question: ServerQuestion): unknown {
    if (question.command === 'fill') return this.complete();
    if (question.command === 'stop-filling') return this.content.completion?.stop();
    if (question.command === 'local-metadata') return this.content.localMetadataSize();
    return { ...this.content.status(), ...addStatistics(this.counters), fuseRequests: this.gate.handled, fuseRequestsWaiting: this.deferred.count, faults: this.faults };
  }

  private reportArrivals(): void {
    let last = 0;
    setInterval(() => {
      const { fetched } = addStatistics(this.counters);
      if (fetched !== last) this.listener.arrived();
      last = fetched;
    }, ARRIVALS_INTERVAL).unref();
  }

  /** Fetches the rest, and announces the raw image when there is one. @param persistently go on when the origin is there again */
  private async complete(persistently = false): Promise<void> {
    const { completion } = this.content;
    const path = await (persistently ? completion?.persist() : completion?.run());
    this.gate.setLocal();
    if (path !== undefined) this.listener.complete(path);
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
