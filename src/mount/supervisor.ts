/**
 * The work of a supervisor: it mounts, and from then on only sees to it that somebody serves. It never touches the mount itself, so
 * nothing can hang it.
 */
import { closeSync, rmSync } from 'node:fs';
import type { FetchCost } from '../image/lazy-statistics.js';
import { Promised } from '../store/promised.js';
import { redirectOutput } from '../sys/redirect.js';
import { KiB, MiB } from '../units.js';
import type { Ahead } from './ahead.js';
import { Attacher, callAttacher } from './attacher.js';
import type { LoopPair } from './block.js';
import { ControlSocket, type Supervised } from './control-socket.js';
import { FuseMount } from './fuse-mount.js';
import type { Offer } from './join.js';
import type { ServedImage } from './local-view.js';
import { recordOf, type FrontMessage, type ServerQuestion, type SupervisorReply } from './messages.js';
import { placesOf } from './mount-table.js';
import type { MountPlan } from './plan.js';
import { Populator } from './populator.js';
import { logPath } from './runtime-folder.js';
import { scratchOf } from './scratch.js';
import { Succession, type SuccessionEvents } from './succession.js';

/** Bytes. While reading ahead may cost a fetch, no more than a chunk or two: mmap reads this much around every fault. */
const READ_AHEAD_WHILE_FETCHING = 128 * KiB;

/** Milliseconds, amply, after which a supervisor knows that its mount has ended; it exits then. */
const UNMOUNT_NEWS = 2000;

export class Supervisor implements SuccessionEvents, Supervised {
  private readonly fuse: FuseMount;
  private readonly attacher: Attacher | undefined;
  private readonly succession: Succession;
  private readonly control: ControlSocket;
  /** mounting: only the front knows of it; standing: it is in its place; settled: the front has done its part. */
  private stage: 'mounting' | 'standing' | 'settled' = 'mounting';
  /** Not in the tree any more; who has files open still needs it. */
  private outOfTree = false;
  private leaving = false;
  private devices: LoopPair | undefined;
  private cost: FetchCost | undefined;
  private populator: Populator | undefined;
  private handedOver: Promise<boolean> = Promise.resolve(false);
  private readonly served = new Promised<void>();
  private readonly standing = new Promised<void>();
  /** When the front wants nothing more. */
  private readonly settlement = new Promised<void>();

  /**
   * Mounts out of sight.
   *
   * @param ahead what was started before there was a plan
   * @throws as FuseMount.open
   */
  constructor(private readonly plan: MountPlan, ahead: Ahead | undefined) {
    if (!plan.foreground) redirectOutput(logPath(plan));
    this.fuse = FuseMount.open(plan, ahead?.device);
    this.attacher = plan.backend === 'block' ? new Attacher(this.fuse.detached) : undefined;
    this.succession = new Succession(plan, this.fuse.device, this, ahead?.server);
    this.control = new ControlSocket(plan, this);
  }

  /** Puts the mount in its place as soon as somebody serves, and says so to the front. The process goes on until the mount ends. */
  async run(): Promise<void> {
    this.control.listen();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { placesOf({ id: this.plan.id, device: this.devices?.outer }).forEach((place) => { this.takeDown(place); }); });
    process.once('message', (message: FrontMessage) => { this.settle(message); });
    const frontGone = (): void => { this.frontGone(); };
    process.once('disconnect', frontGone);
    try {
      await this.served.promise;
      await this.putInPlace();
    } catch (error) {
      this.gaveUp(error);
      return;
    }
    this.stage = 'standing';
    this.standing.resolve();
    reply({ type: 'mounted' });
    this.warmMetadata().catch((error: unknown) => { console.error('reading metadata:', error); }); // then it is read when somebody asks
    if (!process.connected) frontGone(); // while it was put there
  }

  private async putInPlace(): Promise<void> {
    const { attacher, fuse, plan } = this;
    if (attacher === undefined) {
      fuse.place();
      return;
    }
    this.devices = await attacher.call({ type: 'attach', target: plan.target, attributes: plan.attributes, label: `thawfs ${plan.id}`, readAhead: READ_AHEAD_WHILE_FETCHING });
    closeSync(fuse.detached!);
  }

  /** Metadata that is on this machine goes into the kernel's cache at once, in the place of block after block when somebody looks. */
  private async warmMetadata(): Promise<void> {
    if (this.devices === undefined) return;
    const size = await this.succession.ask({ command: 'local-metadata' }) as number;
    if (size > 0) await callAttacher({ type: 'warm', device: this.devices.outer, size });
  }

  private settle(message: FrontMessage): void {
    this.stage = 'settled';
    if (message.type === 'settled') this.cost = message.cost;
    this.settlement.resolve();
    if (!this.plan.foreground) process.disconnect();
  }

  /** A front that dies before it was answered leaves nobody who knows of this mount. Until it has settled, its end is the mount's; in the foreground always. */
  private frontGone(): void {
    const { stage, plan: { foreground, directory, target } } = this;
    if (stage === 'mounting') {
      void this.leave(1);
    } else if (stage === 'standing' || foreground) {
      this.settlement.resolve();
      this.takeDown(stage === 'settled' ? directory : target);
    }
  }

  /** Out of the tree now; servers go on until the last user has gone. What has left the tree already is in nobody's way. */
  private takeDown(target: string): void {
    if (!this.outOfTree) callAttacher({ type: 'detach', target }).catch(() => { void this.leave(1); });
  }

  /** The device first: whoever waits for an answer then gets an error, and can end. */
  private async leave(status: number): Promise<void> {
    if (this.leaving) return;
    this.leaving = true;
    closeSync(this.fuse.device);
    if (this.stage === 'mounting') this.fuse.withdraw();
    await this.succession.end();
    await this.attacher?.dismiss();
    // The server ends by the exchange, before the exchange is told to be done. What was copied up stays in use then.
    if (!await this.handedOver) await this.populator?.end();
    this.control.close();
    // Nothing to tell after a proper end; after any other the log is what is left to look at.
    if (status === 0) rmSync(logPath(this.plan), { force: true });
    process.exit(status);
  }

  serving(): void {
    this.served.resolve();
  }

  unmounted(): void {
    void this.leave(0);
  }

  gaveUp(error: unknown): void {
    reply({ type: 'failed', error: recordOf(error) }, () => { void this.leave(1); });
  }

  arrived(): void {
    this.populator?.arrived();
  }

  /** When the kernel has let go of the FUSE file the server sees its session end, and everything of ours with it. */
  complete(path: string): void {
    // A small image is complete before its front has asked this process for all it wants.
    void this.settlement.promise.then(() => {
      const { devices } = this;
      if (this.leaving || devices === undefined) return;
      this.handedOver = callAttacher({ type: 'hand-over', devices, path, readAhead: MiB }).then(() => true, (error: unknown) => {
        // Not where the mount has just ended, and with it its devices: that is heard of in a moment.
        setTimeout(() => { console.error('handing over failed, serving on:', error); }, UNMOUNT_NEWS).unref();
        return false;
      });
    });
  }

  facts(): Readonly<Record<string, unknown>> {
    const { succession, devices, populator } = this;
    return {
      ...succession.status, ...(devices === undefined ? {} : { device: devices.outer }), ...(populator === undefined ? {} : { populated: populator.status }), ...(this.isDetached() ? { state: 'detached' } : {}),
    };
  }

  /** It was told so, or umount -l took it out, which tells nobody. */
  private isDetached(): boolean {
    return this.outOfTree || (this.stage !== 'mounting' && placesOf({ id: this.plan.id, device: this.devices?.outer }).length === 0);
  }

  frontCost(): FetchCost | undefined {
    return this.cost;
  }

  ask(question: ServerQuestion): Promise<unknown> {
    return this.succession.ask(question);
  }

  async offer(): Promise<Offer | undefined> {
    await this.standing.promise;
    return this.outOfTree || this.devices === undefined ? undefined : { id: this.plan.id, device: this.devices.outer };
  }

  detached(): void {
    this.outOfTree = true;
    this.succession.stopFilling();
    void this.populator?.end();
  }

  async place(target: string): Promise<void> {
    if (this.devices === undefined) this.fuse.placeAgain(target);
    else await callAttacher({ type: 'place', device: this.devices.outer, target });
    // Whoever mounts it again makes a new view of it.
    await this.populator?.end();
    this.populator = undefined;
  }

  async populate(view: string, image: ServedImage): Promise<void> {
    const { plan: { id, directory } } = this;
    this.populator = await Populator.start({ view, directory, scratch: scratchOf(image.cache, id), image });
  }
}

function reply(message: SupervisorReply, then: () => void = () => undefined): void {
  if (process.connected) process.send?.(message, undefined, undefined, then);
  else then();
}
