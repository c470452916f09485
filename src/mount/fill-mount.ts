/** Asking a live mount to complete itself, and waiting until it is. */
import { hasCode } from '../errors.js';
import { pause } from '../source/pause.js';
import type { CompletionStatus } from './completion.js';
import { resolveMounted, unserved } from './own-mount.js';
import { ask, defaultRuntimeFolder } from './runtime-folder.js';
import { mountStatus, type LiveMount, type MountStatus } from './status.js';

export interface FillMountOptions {
  /** Bytes of the raw image that are here, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
  readonly runtimeFolder?: string;
}

const POLL_INTERVAL = 100;

/**
 * @returns whether the mount still needs its server; false after a hand-over
 * @throws NOT_MOUNTED; MOUNT_FAILED when its supervisor was killed; what fetching throws; the signal's reason, fetching then goes on
 */
export async function fillMount(directory: string, { onProgress, signal, runtimeFolder = defaultRuntimeFolder() }: FillMountOptions = {}): Promise<boolean> {
  const target = resolveMounted(directory);
  let failure: unknown;
  let total = 0;
  for (let asked = false; ;) {
    signal?.throwIfAborted();
    const mounts = (await mountStatus(runtimeFolder)).filter((mount) => mount.target === target && mount.state !== 'detached');
    if (mounts.length === 0) throw unserved(directory);
    const served = mounts.filter(({ state }) => state !== 'local') as LiveMount[];
    if (served.length === 0) {
      if (total > 0) onProgress?.(total, total); // handed over since it was looked at
      return false;
    }
    if (failure !== undefined) throw failure as Error;
    if (!asked) {
      asked = true;
      for (const { socket } of served) {
        // A server that was replaced meanwhile goes on by itself only if it was asked: ask again.
        ask(socket, { command: 'fill' }).catch((error: unknown) => {
          if (hasCode(error, 'MOUNT_FAILED', 'NOT_MOUNTED')) asked = false;
          else failure = error;
        });
      }
    }
    total = report(served, onProgress) ?? total;
    if (served.every((mount) => completionOf(mount)?.state === 'complete' && completionOf(mount)?.reason !== undefined)) return true;
    if (served.every((mount) => mount.backend === 'tree' && completionOf(mount)?.state === 'complete')) return true;
    await pause(POLL_INTERVAL, signal);
  }
}

function completionOf(mount: MountStatus): CompletionStatus | undefined {
  return mount['completion'] as CompletionStatus | undefined;
}

/** @returns bytes in all, once they are known */
function report(mounts: readonly MountStatus[], onProgress: FillMountOptions['onProgress']): number | undefined {
  // What is here is counted first; until then nobody knows how far it is.
  if (mounts.some((mount) => completionOf(mount)?.state === 'idle')) return undefined;
  let [done, total] = [0, 0];
  for (const mount of mounts) {
    const { done: here = 0, total: all = 0 } = completionOf(mount) ?? {};
    const chunkSize = Number(mount['chunkSize'] ?? 0);
    done += here * chunkSize;
    total += all * chunkSize;
  }
  if (total > 0) onProgress?.(done, total);
  return total;
}
