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
/** Raw bytes asked for at once, one step at a time, while readers are at work: what is on the wire stands in their way. */
const MODEST_STEP_SIZE = MiB / 2;
/** Readers are at work until none has waited for this long, milliseconds. */
const QUIET_TIME = 500;
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
  let next = 0;
  let paidUntil = performance.now();
  const work = async (first: boolean): Promise<void> => {
    while (next < missing.length) {
      while (!first && image.quietTime < QUIET_TIME) await delay(50, undefined, { signal });
      for (let waited = 0; image.hasDemand && waited < YIELD_TIME; waited += 5) await delay(5, undefined, { signal });
      const perStep = Math.max(1, Math.floor((image.quietTime < QUIET_TIME ? MODEST_STEP_SIZE : STEP_SIZE) / image.chunkSize));
      const range = missing.slice(next, next + perStep);
      next += range.length;
      const step = range.filter((chunk) => !image.isLocal(chunk));
      const bytes = step.length === 0 ? 0 : await image.fetchAhead(step, signal);
      done += range.length;
      onProgress?.(Math.min(done, image.chunkCount), image.chunkCount);
      if (rate !== undefined) {
        paidUntil = Math.max(paidUntil, performance.now()) + bytes / rate * 1000;
        await delay(Math.max(0, paidUntil - performance.now()), undefined, { signal });
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, (_, i) => work(i === 0)));
}
