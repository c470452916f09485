/** Fetches frames of an image, several requests at a time; a frame that came damaged is asked for once more. */
import type { Image } from '../image/image.js';
import type { FrameRun } from '../store/remote-store.js';
import { Slots } from '../store/slots.js';
import type { FrameCheck } from './frame-check.js';
import type { Allowance } from './pull-cost.js';

/** Requests at a time. */
const PARALLEL = 4;

export interface FetchFramesOptions {
  readonly check: FrameCheck;
  /** Of what is fetched twice. */
  readonly allowance: Allowance;
  /** Takes a frame that is right. */
  readonly keep: (number: number, frame: Uint8Array) => void;
  readonly signal?: AbortSignal | undefined;
}

/** @throws CHUNK_DIGEST_MISMATCH when a frame is damaged at its origin; FETCH_LIMIT_EXCEEDED; what reading the image and `keep` throw; the signal's reason */
export async function fetchFrames(image: Image, runs: readonly FrameRun[], { check, allowance, keep, signal }: FetchFramesOptions): Promise<void> {
  const slots = new Slots(PARALLEL);
  const stop = new AbortController();
  const forward = (): void => { stop.abort(signal?.reason); };
  signal?.addEventListener('abort', forward, { once: true });
  if (signal?.aborted === true) forward();
  const fetchRun = async ({ offset, length, chunks }: FrameRun): Promise<void> => {
    const bytes = await image.readFile(offset, length, { signal: stop.signal });
    for (const { number, frameOffset, frameSize } of chunks) {
      let frame = bytes.subarray(frameOffset - offset, frameOffset - offset + frameSize);
      if (!check.passes(number, frame)) {
        allowance.spend(frameSize);
        frame = await image.readFile(frameOffset, frameSize, { signal: stop.signal }); // damaged on the way, perhaps
        check.require(number, frame);
      }
      stop.signal.throwIfAborted(); // the file may be closed
      keep(number, frame);
    }
  };
  try {
    await Promise.all(runs.map((run) => slots.run(() => fetchRun(run), stop.signal)));
  } finally {
    signal?.removeEventListener('abort', forward);
    stop.abort(); // the others, when one has failed
  }
}
