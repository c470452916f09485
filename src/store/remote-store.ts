/** The innermost store: frames from a source, neighbours in one request, each chunk verified where it is made. */
import { hasCode } from '../errors.js';
import type { RangeSource, ReadOptions } from '../source/range-source.js';
import { KiB, MiB } from '../units.js';
import type { ChunkRef, ChunkStore } from './chunk-store.js';
import { Promised } from './promised.js';
import { Slots } from './slots.js';

/** Turns a frame into a verified chunk, or into what stands for one. @throws CHUNK_DIGEST_MISMATCH */
export type DecodeChunk<Landed = Uint8Array> = (chunk: ChunkRef, frame: Uint8Array) => Landed | Promise<Landed>;

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

export interface RemoteOptions {
  /** Requests at a time; default 4. */
  readonly parallel?: number;
  /** Bytes between two wanted frames that are fetched along rather than skipped; default 32 KiB. */
  readonly gapSize?: number;
}

export class RemoteStore<Landed = Uint8Array> implements ChunkStore<Landed> {
  private readonly slots: Slots;

  /** @param onRefetch called for each chunk that is fetched a second time because the first answer was not the chunk */
  constructor(private readonly source: RangeSource, private readonly decode: DecodeChunk<Landed>, private readonly onRefetch: () => void, private readonly options: RemoteOptions = {}) {
    this.slots = new Slots(options.parallel ?? PARALLEL);
  }

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed>[] {
    return planRuns(chunks, this.options.gapSize).flatMap((run) => this.fetchRun(run, signal));
  }

  /** Chunks are handed out as their last byte arrives: whoever waits for the first one does not wait for the run. */
  private fetchRun({ offset, length, chunks }: FrameRun, signal: AbortSignal | undefined): Promise<Landed>[] {
    const frames = chunks.map(() => new Promised<Uint8Array>());
    let next = 0;
    const hand = (bytes: Uint8Array, arrived: number): void => {
      for (; next < chunks.length; next++) {
        const { frameOffset, frameSize } = chunks[next]!;
        const start = frameOffset - offset;
        if (start + frameSize > arrived) return;
        frames[next]!.resolve(bytes.subarray(start, start + frameSize));
      }
    };
    // The last one when the source has said that all is well.
    this.read(offset, length, { signal, onArrival: (bytes, arrived) => { hand(bytes, Math.min(arrived, length - 1)); } }).then(
      (bytes) => { hand(bytes, length); },
      (error: unknown) => { for (const frame of frames.slice(next)) frame.reject(error); },
    );
    return frames.map(({ promise }, i) => promise.then((frame) => this.decodeOrRefetch(chunks[i]!, frame, signal)));
  }

  private read(offset: number, length: number, options: ReadOptions): Promise<Uint8Array> {
    return this.slots.run(() => this.source.read(offset, length, options), options.signal);
  }

  /** What was damaged on the way is whole the second time; what is damaged at its origin fails for good. */
  private async decodeOrRefetch(chunk: ChunkRef, frame: Uint8Array, signal: AbortSignal | undefined): Promise<Landed> {
    try {
      return await this.decode(chunk, frame);
    } catch (error) {
      if (!hasCode(error, 'CHUNK_DIGEST_MISMATCH')) throw error;
      this.onRefetch();
      return this.decode(chunk, await this.read(chunk.frameOffset, chunk.frameSize, { signal }));
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
