/** Unmounting, and waiting until nothing is left of the mount. */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../errors.js';
import { isRunning } from '../sys/process.js';
import { busyError } from './holders.js';
import { findOwnMount } from './own-mount.js';
import { defaultRuntimeFolder, removeStale } from './runtime-folder.js';
import { markDetached, outOfSight, type LiveMount } from './status.js';
import { takeOut } from './take-out.js';

/** Milliseconds for which processes and loop devices may take to disappear. */
const PATIENCE = 10_000;

export interface UnmountOptions {
  /** Take it out of the tree now, although it is in use; it ends with its last user. */
  readonly lazy?: boolean;
  readonly runtimeFolder?: string;
}

/**
 * @returns whether its processes are gone, if no other directory needs them, or, after ten seconds, still ending (with `lazy`: at once); the mount itself is out of the tree
 * @throws NOT_MOUNTED when the directory is no mount of ours; MOUNT_BUSY with who holds it; NOT_PERMITTED
 */
export async function unmountImage(directory: string, { lazy = false, runtimeFolder = defaultRuntimeFolder() }: UnmountOptions = {}): Promise<boolean> {
  const { target, live } = await findOwnMount(directory, runtimeFolder);
  try {
    takeOut(target, lazy);
  } catch (cause) {
    throw hasCode(cause, 'MOUNT_BUSY') ? busyError(target, { what: 'in use', cause, suggestion: 'End these processes, or unmount with --lazy.' }) : cause;
  }
  const left = outOfSight(live);
  if (lazy) await markDetached(left);
  const gone = await untilGone(left, lazy ? 0 : PATIENCE);
  await removeStale(runtimeFolder);
  return gone;
}

/** @returns whether the processes of these mounts are gone @param patience milliseconds */
export async function untilGone(mounts: readonly LiveMount[], patience: number): Promise<boolean> {
  const deadline = Date.now() + patience;
  for (;;) {
    if (mounts.every(({ socket, supervisor }) => !existsSync(socket) && !isRunning(Number(supervisor)))) return true;
    if (Date.now() > deadline) return false;
    await delay(10);
  }
}
