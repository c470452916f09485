/** The innermost store: frames from a source, neighbours in one request, each chunk verified where it is made. */
import { hasCode } from '../errors.js';
import type { RangeSource } from '../source/range-source.js';
import { KiB, MiB } from '../units.js';
import type { ChunkRef, ChunkStore } from './chunk-store.js';
import { Slots } from './slots.js';

/** Turns a frame into a verified chunk. @throws CHUNK_DIGEST_MISMATCH */
export type DecodeChunk = (chunk: ChunkRef, frame: Uint8Array) => Uint8Array;

/** Frames that one request brings. */
export interface FrameRun {
  /** File offset and bytes. */
  readonly offset: number;
  readonly length: number;
  readonly chunks: readonly ChunkRef[];
}

/** Bytes between two wanted frames that are rather fetched along than skipped: a request costs more than they do. */
const GAP_SIZE = 32 * KiB;
/** The most bytes of one request: with {@link PARALLEL} at a time enough for any link, and little to fetch again after a failure. */
const RUN_SIZE = 4 * MiB;
const PARALLEL = 4;

export class RemoteStore implements ChunkStore {
  private readonly slots = new Slots(PARALLEL);

  /** @param onRefetch called for each chunk that is fetched a second time because the first answer was not the chunk */
  constructor(private readonly source: RangeSource, private readonly decode: DecodeChunk, private readonly onRefetch: () => void) {}

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Uint8Array>[] {
    return planRuns(chunks).flatMap((run) => {
      const bytes = this.read(run.offset, run.length, signal);
      return run.chunks.map((chunk) => bytes.then((frames) => {
        const start = chunk.frameOffset - run.offset;
        return this.decodeOrRefetch(chunk, frames.subarray(start, start + chunk.frameSize), signal);
      }));
    });
  }

  private read(offset: number, length: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return this.slots.run(() => this.source.read(offset, length, { signal }), signal);
  }

  /** What was damaged on the way is whole the second time; what is damaged at its origin fails for good. */
  private async decodeOrRefetch(chunk: ChunkRef, frame: Uint8Array, signal: AbortSignal | undefined): Promise<Uint8Array> {
    try {
      return this.decode(chunk, frame);
    } catch (error) {
      if (!hasCode(error, 'CHUNK_DIGEST_MISMATCH')) throw error;
      this.onRefetch();
      return this.decode(chunk, await this.read(chunk.frameOffset, chunk.frameSize, signal));
    }
  }
}

/** @param chunks ascending */
export function planRuns(chunks: readonly ChunkRef[], gapSize = GAP_SIZE, runSize = RUN_SIZE): FrameRun[] {
  const runs: { offset: number; length: number; chunks: ChunkRef[] }[] = [];
  for (const chunk of chunks) {
    const run = runs.at(-1);
    const end = chunk.frameOffset + chunk.frameSize;
    if (run !== undefined && chunk.frameOffset - (run.offset + run.length) <= gapSize && end - run.offset <= runSize) {
      run.length = end - run.offset;
      run.chunks.push(chunk);
    } else {
      runs.push({ offset: chunk.frameOffset, length: chunk.frameSize, chunks: [chunk] });
    }
  }
  return runs;
}
