/**
 * Who serves: one active server, and warm standbys. A dead server is followed by a standby within milliseconds; a hung
 * one is killed first. Nobody takes over before its predecessor is completely gone, else a request that the dying one
 * is just taking from the device would be lost.
 */
import { ThawfsError } from '../errors.js';
import { isReadable } from '../sys/poll.js';
import type { ServerQuestion } from './messages.js';
import type { MountPlan } from './plan.js';
import { ServerProcess, type ServerEvents } from './server-process.js';

/** Two, so that a server that dies while its successor's successor is still loading is no stall either. */
const STANDBYS = 2;
/** Milliseconds before the next standby is started: a start costs CPU that the new server needs first. */
const STANDBY_DELAY = 100;
/** And before the very first: now a program starts, which is what the processor is for. */
const FIRST_STANDBY_DELAY = 5000;
/** Servers that die in a row before they are ready, until the mount is given up: before the first one served, and later. */
const MAX_FIRST_STARTS = 2;
const MAX_FALSE_STARTS = 10;

/** How often a server is looked at, in the time it has to answer; after how many looks without a request it counts as idle, and which of those it is asked at. */
const LOOKS_PER_PATIENCE = 4;
const CALM_LOOKS = 8;
const RARE_LOOKS = 24;

export interface SuccessionEvents {
  /** The first server is ready. */
  serving(): void;
  /** The file system is unmounted. */
  unmounted(): void;
  /** Everything is local, and the raw image lies in this file. */
  complete(path: string): void;
  /** Chunks were fetched. */
  arrived(): void;
  /** No server can be started; readers must get errors instead of waiting for ever. */
  gaveUp(error: ThawfsError): void;
}

export class Succession implements ServerEvents {
  private active: ServerProcess | undefined;
  private readonly standbys = new Set<ServerProcess>();
  private falseStarts = 0;
  private replaced = 0;
  private over = false;
  private begun = false;
  private failure: ThawfsError | undefined;
  private timer: NodeJS.Timeout | undefined;
  private readonly watchdog: NodeJS.Timeout;
  private handled = 0;
  private calmLooks = 0;

  /** @param fuse the device, mounted @param first a server that was started ahead of the mount */
  constructor(private plan: MountPlan, private readonly fuse: number, private readonly events: SuccessionEvents, first = new ServerProcess(fuse, 'first')) {
    this.active = first;
    first.prepare(plan, this);
    this.watchdog = setInterval(() => { this.look(); }, plan.watchdog / LOOKS_PER_PATIENCE);
  }

  /**
   * Sees to it that the active server lives. One that has nothing to do is left in peace, so that an idle mount costs nothing: until a request
   * lies in the device that nobody takes, and once in a while.
   */
  private look(): void {
    const { active } = this;
    if (active?.ready !== true) return;
    this.calmLooks = active.handled === this.handled ? this.calmLooks + 1 : 0;
    this.handled = active.handled;
    if (active.isAsked || this.calmLooks < CALM_LOOKS || this.calmLooks % RARE_LOOKS === 0 || isReadable(this.fuse)) active.watch(this.plan.watchdog);
  }

  /** Facts for `status`. */
  get status(): Readonly<Record<string, unknown>> {
    const standbys = [...this.standbys].filter(({ ready }) => ready).map(({ pid }) => pid);
    return { server: this.active?.pid, standbys, replaced: this.replaced };
  }

  /** @throws MOUNT_FAILED while no server is there to answer */
  ask(question: ServerQuestion): Promise<unknown> {
    if (this.active?.ready !== true) return Promise.reject(new ThawfsError('MOUNT_FAILED', 'the server is being replaced', { suggestion: 'Ask again.' }));
    return this.active.ask(question);
  }

  /** Nobody fetches in advance any more, neither this server nor those that follow it. */
  stopFilling(): void {
    const { content } = this.plan;
    if (content.kind === 'image') this.plan = { ...this.plan, content: { ...content, fill: false } };
    // A server that is just being replaced dies with its filling, and its successor may begin once more: harmless.
    this.ask({ command: 'stop-filling' }).catch(() => undefined);
  }

  /** Ends all servers; readers get errors once the device is closed too. @returns when they are gone */
  async end(): Promise<void> {
    this.over = true;
    clearInterval(this.watchdog);
    clearTimeout(this.timer);
    const servers = [...this.standbys, ...(this.active === undefined ? [] : [this.active])];
    for (const server of servers) server.kill();
    await Promise.all(servers.map(({ gone }) => gone));
  }

  ready(): void {
    this.falseStarts = 0;
    this.promoteIfVacant();
    this.prepareStandby(this.begun ? STANDBY_DELAY : FIRST_STANDBY_DELAY);
    if (this.begun) return;
    this.begun = true;
    this.events.serving();
  }

  failed(error: ThawfsError): void {
    this.failure = error;
    // What the first server cannot open nobody can; later on the cause may pass.
    if (!this.begun) this.giveUp(error);
  }

  unmounted(): void {
    if (!this.over) this.events.unmounted();
  }

  complete(path: string): void {
    if (!this.over) this.events.complete(path);
  }

  arrived(): void {
    if (!this.over) this.events.arrived();
  }

  exited(server: ServerProcess): void {
    if (this.over) return;
    if (!server.ready) this.falseStarts++;
    if (this.falseStarts >= (this.begun ? MAX_FALSE_STARTS : MAX_FIRST_STARTS)) {
      this.giveUp(this.failure ?? new ThawfsError('MOUNT_FAILED', `${this.falseStarts} servers died before they were ready`));
      return;
    }
    if (!this.standbys.delete(server)) {
      this.active = undefined;
      this.promoteIfVacant();
    }
    const vacant = this.active === undefined;
    this.prepareStandby(this.falseStarts > 0 ? 25 * 2 ** this.falseStarts : vacant ? 0 : STANDBY_DELAY);
  }

  private promoteIfVacant(): void {
    if (this.active !== undefined) return;
    for (const server of this.standbys) {
      if (!server.ready) continue;
      this.standbys.delete(server);
      this.active = server;
      this.replaced++;
      server.takeOver();
      return;
    }
  }

  private prepareStandby(delay: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.over || this.standbys.size >= STANDBYS) return;
      const standby = new ServerProcess(this.fuse, 'standby');
      standby.prepare(this.plan, this);
      this.standbys.add(standby);
    }, delay);
  }

  private giveUp(error: ThawfsError): void {
    if (!this.over) this.events.gaveUp(error);
  }
}
