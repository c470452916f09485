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
import { ControlSocket } from './control-socket.js';
import { FuseMount } from './fuse-mount.js';
import { Populator } from './populator.js';
import { placesOf } from './mount-table.js';
import { scratchOf } from './scratch.js';
import { logPath } from './runtime-folder.js';
import type { LoopPair } from './block.js';
import { recordOf, type FrontMessage, type SupervisorReply } from './messages.js';
import type { MountPlan } from './plan.js';
import { Succession } from './succession.js';

/** Bytes. While reading ahead may cost a fetch, no more than a chunk or two: mmap reads this much around every fault. */
const READ_AHEAD_WHILE_FETCHING = 128 * KiB;

/** Milliseconds, amply, after which a supervisor knows that its mount has ended; it exits then. */
const UNMOUNT_NEWS = 2000;

/** @param ahead what was started before there was a plan */
export async function supervise(plan: MountPlan, ahead: Ahead | undefined): Promise<void> {
  if (!plan.foreground) redirectOutput(logPath(plan));
  const fuse = FuseMount.open(plan, ahead?.device);
  const attacher = plan.backend === 'block' ? new Attacher(fuse.detached) : undefined;
  let attaching: Promise<LoopPair | undefined> = Promise.resolve(undefined);
  let leaving = false;
  let placed = false;
  let device: string | undefined;
  let handedOver: Promise<boolean> = Promise.resolve(false);
  /** When the front wants nothing more; and whether it does. */
  const settlement = new Promised<void>();
  let settled = false;
  let frontCost: FetchCost | undefined;
  let populator: Populator | undefined;
  /** When the mount is in its place. */
  const standing = new Promised<void>();
  /** The device first: whoever waits for an answer then gets an error, and can end. */
  const leave = async (status: number): Promise<void> => {
    if (leaving) return;
    leaving = true;
    closeSync(fuse.device);
    if (!placed) fuse.withdraw();
    await succession.end();
    await attacher?.dismiss();
    // The server ends by the exchange, before the exchange is told to be done. What was copied up stays in use then.
    if (!await handedOver) await populator?.end();
    control.close();
    // Nothing to tell after a proper end; after any other the log is what is left to look at.
    if (status === 0) rmSync(logPath(plan), { force: true });
    process.exit(status);
  };
  /** When the kernel has let go of the FUSE file the server sees its session end, and everything of ours with it. */
  const handOver = async (path: string): Promise<void> => {
    const devices = await attaching.catch(() => undefined);
    if (devices === undefined) return;
    await settlement.promise; // A small image is complete before its front has asked this process for all it wants.
    if (leaving) return;
    handedOver = callAttacher({ type: 'hand-over', devices, path, readAhead: MiB }).then(() => true, (error: unknown) => {
      // Not where the mount has just ended, and with it its devices: that is heard of in a moment.
      setTimeout(() => { console.error('handing over failed, serving on:', error); }, UNMOUNT_NEWS).unref();
      return false;
    });
  };
  /** Metadata that is on this machine goes into the kernel's cache at once, in the place of block after block when somebody looks. */
  const warmMetadata = async (): Promise<void> => {
    const devices = await attaching;
    if (devices === undefined) return;
    const size = await succession.ask({ command: 'local-metadata' }) as number;
    if (size > 0) await callAttacher({ type: 'warm', device: devices.outer, size });
  };
  const reply = (message: SupervisorReply, then: () => void): void => {
    if (process.connected) process.send?.(message, undefined, undefined, then);
    else then();
  };
  const fail = (error: unknown): void => { reply({ type: 'failed', error: recordOf(error) }, () => { void leave(1); }); };

  const serving = new Promised<void>();
  const succession = new Succession(plan, fuse.device, { serving: () => { serving.resolve(); }, unmounted: () => { void leave(0); }, complete: (path) => { void handOver(path); }, arrived: () => { populator?.arrived(); }, gaveUp: fail }, ahead?.server);
  let detached = false;
  const control = new ControlSocket(plan, {
    facts: () => ({ ...succession.status, ...(device === undefined ? {} : { device }), ...(populator === undefined ? {} : { populated: populator.status }), ...(detached ? { state: 'detached' } : {}) }),
    frontCost: () => frontCost,
    ask: (question) => succession.ask(question),
    offer: async () => {
      await standing.promise;
      return detached || device === undefined ? undefined : { id: plan.id, device };
    },
    detached: () => {
      detached = true;
      succession.stopFilling();
      void populator?.end();
    },
    place: async (target) => {
      const devices = await attaching;
      if (devices !== undefined) await callAttacher({ type: 'place', device: devices.outer, target });
      else fuse.placeAgain(target);
      // Whoever mounts it again makes a new view of it.
      await populator?.end();
      populator = undefined;
    },
    populate: async (view, image) => {
      populator = await Populator.start({ view, directory: plan.directory, scratch: scratchOf(image.cache, plan.id), image });
    },
  });
  control.listen();
  /** Out of the tree now; servers go on until the last user has gone. What has left the tree already is in nobody's way. */
  const detach = (target: string): void => {
    if (!detached) callAttacher({ type: 'detach', target }).catch(() => { void leave(1); });
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { placesOf({ id: plan.id, device }).forEach(detach); });
  // A front that dies before it was answered leaves nobody who knows of this mount.
  const abandoned = (): void => { void leave(1); };
  process.once('disconnect', abandoned);
  try {
    await serving.promise;
    if (attacher === undefined) fuse.place();
    else {
      attaching = attacher.call({ type: 'attach', target: plan.target, attributes: plan.attributes, label: `thawfs ${plan.id}`, readAhead: READ_AHEAD_WHILE_FETCHING });
      device = (await attaching)?.outer;
      closeSync(fuse.detached!);
    }
    placed = true;
    standing.resolve();
  } catch (error) {
    fail(error);
    return;
  }
  process.off('disconnect', abandoned);
  // Until the front has settled, its end is the mount's; in the foreground always.
  const orphaned = (): void => {
    settlement.resolve();
    detach(settled ? plan.directory : plan.target);
  };
  process.once('disconnect', orphaned);
  process.once('message', (message: FrontMessage) => {
    settled = true;
    if (message.type === 'settled') frontCost = message.cost;
    settlement.resolve();
    if (plan.foreground) return;
    process.off('disconnect', orphaned);
    process.disconnect();
  });
  reply({ type: 'mounted' }, () => undefined);
  warmMetadata().catch((error: unknown) => { console.error('reading metadata:', error); }); // then it is read when somebody asks
  if (!process.connected) orphaned();
}
