/** Where each frame of an image that is pulled comes from: decided before the first byte is fetched, so that the cost is known. */
import { planRuns, type FrameRun } from '../store/remote-store.js';
import { KiB, MiB } from '../units.js';
import type { ChunkTable } from './chunk-table.js';
import type { Seed } from './seed.js';

/** Less than what a request costs in time on any link, little beside what is wanted. */
const GAP_SIZE = 4 * KiB;
const RUN_SIZE = 4 * MiB;

export interface SeededChunk { readonly number: number; readonly seed: Seed }
export interface RepeatedChunk { readonly number: number; readonly original: number }

export interface PullPlan {
  /** Frames of a run that was interrupted. */
  readonly kept: readonly number[];
  readonly seeded: readonly SeededChunk[];
  /** Frames that the image has more than once: fetched once. */
  readonly repeated: readonly RepeatedChunk[];
  /** Chunks of the hash area, which follows from all others. */
  readonly made: readonly number[];
  /** Requests for the others. */
  readonly runs: readonly FrameRun[];
}

/**
 * @param seeds the first that has a frame gives it
 * @param isMade whether the chunk can be computed when the others are there
 * @param isKept whether the frame is already in its place
 */
export function planPull(table: ChunkTable, seeds: readonly Seed[], isKept: (number: number) => boolean, isMade: (number: number) => boolean): PullPlan {
  const kept: number[] = [];
  const seeded: SeededChunk[] = [];
  const repeated: RepeatedChunk[] = [];
  const missing: number[] = [];
  const made: number[] = [];
  const originals = new Map<string, number>();
  for (let number = 0; number < table.count; number++) {
    if (isKept(number)) { kept.push(number); continue; }
    if (isMade(number)) { made.push(number); continue; }
    const [key, frameSize] = [table.key(number), table.frameSize(number)];
    const original = originals.get(key);
    if (original !== undefined && table.frameSize(original) === frameSize) { repeated.push({ number, original }); continue; }
    originals.set(key, number);
    const seed = seeds.find((one) => one.has(key, frameSize));
    if (seed !== undefined) seeded.push({ number, seed });
    else missing.push(number);
  }
  return { kept, seeded, repeated, made, runs: runsOf(table, missing) };
}

/** @param chunks ascending */
export function runsOf(table: ChunkTable, chunks: readonly number[]): FrameRun[] {
  return planRuns(chunks.map((number) => table.place(number)), GAP_SIZE, RUN_SIZE);
}

/** @returns bytes that the runs bring */
export function sizeOfRuns(runs: readonly FrameRun[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0);
}
