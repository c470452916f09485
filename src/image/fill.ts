/** Completing an image in the background: everything that is not here yet, in order, as fast as the link gives and no faster than asked. */
import { pause } from '../source/pause.js';
import type { LazyImage } from './lazy-image.js';

export interface FillOptions {
  /** Bytes per second; absent = as fast as possible. */
  readonly rate?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each step with chunks here and chunks in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Chunks looked up between two turns of the event loop. */
const SCAN_STRIDE = 256;

/**
 * Fetches every chunk that is not local. The scheduler says when the link has room; steps are sent without waiting for those before.
 *
 * @throws as LazyImage.fetchAhead; what was fetched stays, so a later fill goes on from there
 */
export async function fillImage(image: LazyImage, { rate, signal, onProgress }: FillOptions = {}): Promise<void> {
  const { chunkCount, scheduler } = image;
  let done = 0;
  for (const here = image.localChunks(); here.next().done !== true; done++) if (done % SCAN_STRIDE === 0) await pause(0, signal);
  onProgress?.(done, chunkCount);
  const steps = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let bytesSent = 0;
  const begun = performance.now();
  for (let next = 0; next < chunkCount && failure === undefined;) {
    await scheduler.room(signal);
    // Until they are sent for, the link seems to have room for more.
    const sent = await image.fetchAhead(next, scheduler.stepSize, signal).catch((error: unknown) => { failure = { error }; });
    if (sent === undefined) break;
    next = sent.next;
    const fetched = sent.landed.then(() => {
      bytesSent += sent.size;
      done += sent.count;
      onProgress?.(Math.min(done, chunkCount), chunkCount);
    }, (error: unknown) => { failure ??= { error }; }).finally(() => { steps.delete(fetched); });
    steps.add(fetched);
    if (rate === undefined) continue;
    await fetched;
    await pause(Math.max(0, begun + bytesSent / rate * 1000 - performance.now()), signal);
  }
  await Promise.all(steps);
  if (failure !== undefined) throw failure.error as Error;
}
