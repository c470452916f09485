/** The front: starts a supervisor, gives it a plan and waits until the mount is usable. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { ThawfsError } from '../errors.js';
import type { FetchCost } from '../image/lazy-statistics.js';
import { errorOf, type FrontMessage, type SupervisorReply } from './messages.js';
import type { MountPlan } from './plan.js';
import { claimRuntimeFolder, logPath, removeStale } from './runtime-folder.js';

/**
 * Mounts, and returns when the mount is usable. It ends with this process until {@link settle} is called.
 *
 * @param supervisor that has no plan yet; disconnecting from it (or dying) takes the mount out of the tree
 * @param signal aborting gives up: nothing is mounted then, nothing is left behind
 * @throws why it could not be mounted: whatever opening the image throws, NO_FUSE_DEVICE, MOUNT_FAILED, NOT_PERMITTED, PATH_MISSING
 */
export async function startMount(supervisor: ChildProcess, plan: MountPlan, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  claimRuntimeFolder(plan.runtimeFolder);
  await removeStale(plan.runtimeFolder);
  try {
    await untilMounted(supervisor, plan, signal);
  } catch (error) {
    rmSync(logPath(plan), { force: true });
    throw error;
  }
}

/** Lets the supervisor stand on its own. @param cost what this process has fetched for it @param foreground it stays connected, its end is the front's, which lives as long as it does */
export function settle(supervisor: ChildProcess, { cost, foreground = false }: { readonly cost?: FetchCost | undefined; readonly foreground?: boolean } = {}): void {
  if (supervisor.connected) supervisor.send({ type: 'settled', ...(cost === undefined ? {} : { cost }) } satisfies FrontMessage, () => undefined);
  if (!foreground) supervisor.unref();
}

function untilMounted(supervisor: ChildProcess, plan: MountPlan, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: Error | undefined;
    const abort = (): void => {
      failure = signal?.reason as Error;
      supervisor.disconnect(); // It takes everything down by itself when its front is gone.
    };
    signal?.addEventListener('abort', abort, { once: true });
    supervisor.once('message', (reply: SupervisorReply) => {
      signal?.removeEventListener('abort', abort);
      if (reply.type === 'mounted') resolve();
      else failure = errorOf(reply.error);
    });
    // Only then has it cleaned up.
    const ended = (status: number | null, death: NodeJS.Signals | null): void => {
      reject(failure ?? new ThawfsError('MOUNT_FAILED', `the supervisor ended (${death ?? status ?? 'it did not start'})`, { detail: { log: logPath(plan) } }));
    };
    supervisor.once('exit', ended);
    if (supervisor.pid === undefined || supervisor.exitCode !== null || supervisor.signalCode !== null) ended(supervisor.exitCode, supervisor.signalCode);
    supervisor.send({ type: 'mount', plan } satisfies FrontMessage, () => undefined);
  });
}
