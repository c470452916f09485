/**
 * Where saying what differs takes more than the new bytes themselves: the lines of a log resemble those of any other log, here and there, and each place
 * costs a copy and some differences.
 */
import type { Codec } from '../codec/codec.js';
import type { Alignment } from './delta.js';
import { PatchWriter } from './patch-writer.js';
import { KiB } from '../units.js';

/** Longer alignments pay. */
const SHORT_MAX = KiB;
/** Bytes of short alignments that are weighed together, and at least. */
const RUN_SIZE = 64 * KiB;
const RUN_MIN = KiB;
/** What is weighed is compressed at most so hard: which of the two is smaller hardly depends on it. */
const LEVEL_MAX = 3;

export class CostlyRuns {
  private readonly trial: PatchWriter;

  constructor(codec: Codec, level: number) {
    this.trial = new PatchWriter({ codec, level: Math.min(level, LEVEL_MAX), write: () => undefined });
  }

  /** @param alignments that tile `now`. @returns the same with new data in the place of runs that cost more than those */
  replace(alignments: readonly Alignment[], old: Uint8Array, now: Uint8Array): Alignment[] {
    const kept: Alignment[] = [];
    let run: Alignment[] = [];
    let size = 0;
    const close = (): void => {
      kept.push(...this.isCostly(run, size, old, now) ? [{ start: run[0]!.start, length: size, old: -1 }] : run);
      [run, size] = [[], 0];
    };
    for (const alignment of alignments) {
      if (alignment.length > SHORT_MAX) {
        close();
        kept.push(alignment);
        continue;
      }
      run.push(alignment);
      size += alignment.length;
      if (size >= RUN_SIZE) close();
    }
    close();
    return kept;
  }

  private isCostly(run: readonly Alignment[], size: number, old: Uint8Array, now: Uint8Array): boolean {
    const [first] = run;
    if (first === undefined || run.length === 1 || size < RUN_MIN) return false;
    const plain = now.subarray(first.start, first.start + size);
    return this.sizeOf((writer) => { writer.literal(plain); }) < this.sizeOf((writer) => { describe(writer, run, old, now); });
  }

  private sizeOf(write: (writer: PatchWriter) => void): number {
    const before = this.written();
    write(this.trial);
    this.trial.finish();
    return this.written() - before;
  }

  private written(): number {
    return Object.values(this.trial.sizes).reduce((sum, size) => sum + size, 0);
  }
}

function describe(writer: PatchWriter, run: readonly Alignment[], old: Uint8Array, now: Uint8Array): void {
  for (const { start, length, old: place } of run) {
    const bytes = now.subarray(start, start + length);
    if (place < 0) writer.literal(bytes);
    else writer.old(place, old.subarray(place, place + length), bytes);
  }
}
