/** Completing an image in the background: everything that is not here yet, in order, as fast as the link gives and no faster than asked. */
import { setTimeout as delay } from 'node:timers/promises';
import { MiB } from '../units.js';
import type { LazyImage } from './lazy-image.js';

export interface FillOptions {
  /** Bytes per second; absent = as fast as possible. */
  readonly rate?: number;
  readonly signal?: AbortSignal;
  /** Called after each step with chunks here and chunks in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Raw bytes asked for at once, and how many such steps are under way: 8 MiB on the wire fill a link of 200 ms at 300 Mbit/s. */
const STEP_SIZE = 4 * MiB;
const PARALLEL = 4;
/** How long a step waits for readers to be served before it goes on anyway, milliseconds. */
const YIELD_TIME = 200;
/** Chunks looked up between two turns of the event loop. */
const SCAN_STRIDE = 256;

/**
 * Fetches every chunk that is not local.
 *
 * @throws as LazyImage.fetchAhead; what was fetched stays, so a later fill goes on from there
 */
export async function fillImage(image: LazyImage, { rate, signal, onProgress }: FillOptions = {}): Promise<void> {
  const missing: number[] = [];
  for (let chunk = 0; chunk < image.chunkCount; chunk++) {
    if (!image.isLocal(chunk)) missing.push(chunk);
    if (chunk % SCAN_STRIDE === 0) await delay(0, undefined, { signal });
  }
  let done = image.chunkCount - missing.length;
  onProgress?.(done, image.chunkCount);
  const perStep = Math.max(1, Math.floor(STEP_SIZE / image.chunkSize));
  let next = 0;
  let paidUntil = performance.now();
  const work = async (): Promise<void> => {
    while (next < missing.length) {
      const step = missing.slice(next, next += perStep).filter((chunk) => !image.isLocal(chunk));
      for (let waited = 0; image.hasDemand && waited < YIELD_TIME; waited += 5) await delay(5, undefined, { signal });
      const bytes = step.length === 0 ? 0 : await image.fetchAhead(step, signal);
      done += perStep;
      onProgress?.(Math.min(done, image.chunkCount), image.chunkCount);
      if (rate !== undefined) {
        paidUntil = Math.max(paidUntil, performance.now()) + bytes / rate * 1000;
        await delay(Math.max(0, paidUntil - performance.now()), undefined, { signal });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}
