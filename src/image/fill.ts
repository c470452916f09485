/** Completing an image in the background: everything that is not here yet, in order, as fast as the link gives and no faster than asked. */
import { pause } from '../source/pause.js';
import type { LazyImage } from './lazy-image.js';

export interface FillOptions {
  /** Bytes per second; absent = as fast as possible. */
  readonly rate?: number;
  readonly signal?: AbortSignal;
  /** Called after each step with chunks here and chunks in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Chunks looked up between two turns of the event loop. */
const SCAN_STRIDE = 256;
/** What a chunk's frame is taken to have of its raw size when the first steps are measured out. */
const USUAL_RATIO = 0.4;

/**
 * Fetches every chunk that is not local. The scheduler says when the link has room; steps are sent without waiting for those before.
 *
 * @throws as LazyImage.fetchAhead; what was fetched stays, so a later fill goes on from there
 */
export async function fillImage(image: LazyImage, { rate, signal, onProgress }: FillOptions = {}): Promise<void> {
  const { chunkCount, chunkSize, scheduler } = image;
  let done = 0;
  for (let chunk = 0; chunk < chunkCount; chunk++) {
    if (image.isLocal(chunk)) done++;
    if (chunk % SCAN_STRIDE === 0) await pause(0, signal);
  }
  onProgress?.(done, chunkCount);
  const steps = new Set<Promise<void>>();
  let failure: { readonly error: unknown } | undefined;
  let [bytesSent, rawSent] = [0, 0];
  const begun = performance.now();
  for (let next = 0; next < chunkCount && failure === undefined;) {
    await scheduler.room(signal);
    const ratio = rawSent === 0 ? USUAL_RATIO : bytesSent / rawSent;
    const most = Math.max(1, Math.round(scheduler.stepSize / (chunkSize * ratio)));
    const step: number[] = [];
    for (; next < chunkCount && step.length < most; next++) if (!image.isLocal(next)) step.push(next);
    if (step.length === 0) break;
    // Until they are sent for, the link seems to have room for more.
    const sent = await image.fetchAhead(step, signal).catch((error: unknown) => { failure = { error }; });
    if (sent === undefined) break;
    const fetched = sent.landed.then(() => {
      bytesSent += sent.size;
      rawSent += step.length * chunkSize;
      done += step.length;
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
