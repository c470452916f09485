/** How much of a mounted image is on this machine. */
import { statSync } from 'node:fs';
import { hasCode } from '../errors.js';
import type { CompletionStatus } from './completion.js';
import { LocalView, type ServedImage } from './local-view.js';
import { ask } from './runtime-folder.js';
import type { LiveMount, MountStatus } from './status.js';

/**
 * A server that completes its image has counted; otherwise the cache is looked through.
 *
 * @returns bytes of the raw image; undefined when nobody can tell just now
 * @throws what opening the cache throws. Cost: a system call for each chunk at most
 */
export async function localSize(mount: MountStatus): Promise<number | undefined> {
  const { state, rawImage, completion, chunkSize, rawSize } = mount;
  if (state === 'local') return typeof rawImage === 'string' ? statSync(rawImage, { throwIfNoEntry: false })?.size : undefined;
  const counted = completion as CompletionStatus | undefined;
  if (counted === undefined) return undefined;
  if (counted.state !== 'idle' && counted.state !== 'failed') return Math.min(counted.done * Number(chunkSize), Number(rawSize));
  try {
    await using view = await LocalView.open(await ask((mount as LiveMount).socket, { command: 'image' }) as ServedImage);
    return view.localSize();
  } catch (error) {
    if (hasCode(error, 'NOT_MOUNTED')) return undefined; // It has just ended.
    throw error;
  }
}
