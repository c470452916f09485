/** What the main thread asks of a worker. Bytes travel in the slot; messages are flat arrays. */
import { isHostFile, type HostFile } from '../model/content.js';
import type { Batch } from './batch.js';
import type { HostReader } from './host-reader.js';
import type { Slot } from './slot.js';

/** Reads what is still missing in the slot's raw bytes, hashes and compresses them. */
export interface PackJob {
  readonly kind: 'pack';
  /** Raw bytes in the slot. */
  readonly size: number;
  readonly paths: readonly string[];
  /** Six numbers a range: position in the slot, length, position in the file, path number, size and mtime seen (-1 = not known). */
  readonly ranges: Float64Array;
}

/** Reads frames of a file, decompresses and hashes them. The slot holds leaves and ids then; its raw bytes are scratch unless they are to be kept. */
export interface UnpackJob {
  readonly kind: 'unpack';
  readonly size: number;
  /** Descriptor of this process, and where the first frame begins. */
  readonly fd: number;
  readonly offset: number;
  /** Number of the first chunk, for messages. */
  readonly firstChunk: number;
  readonly keepRaw?: true;
}

export type Job = PackJob | UnpackJob;

const NUMBERS_PER_RANGE = 6;

/** Puts a batch into a slot: zeros and what is in memory at once, host files as ranges of the job that is returned. */
export function stage({ offset, size, pieces }: Batch, slot: Slot): PackJob {
  const paths: string[] = [];
  const ranges: number[] = [];
  let lastFile: HostFile | undefined;
  let end = 0;
  for (const { offset: at, length, source, sourceOffset } of pieces) {
    const place = at - offset;
    slot.raw.fill(0, end, place);
    end = place + length;
    if (source instanceof Uint8Array) {
      slot.raw.set(source.subarray(sourceOffset, sourceOffset + length), place);
    } else if (isHostFile(source)) {
      if (source !== lastFile) paths.push(source.path);
      lastFile = source;
      ranges.push(place, length, sourceOffset, paths.length - 1, source.seen?.size ?? -1, source.seen?.mtimeMs ?? -1);
    } else {
      slot.raw.set(source.read(sourceOffset, length), place);
    }
  }
  slot.raw.fill(0, end, size);
  return { kind: 'pack', size, paths, ranges: Float64Array.from(ranges) };
}

/** Reads the ranges of a staged batch: its raw bytes are whole then. */
export function readRanges({ paths, ranges }: PackJob, raw: Uint8Array, files: HostReader): void {
  for (let at = 0; at < ranges.length; at += NUMBERS_PER_RANGE) {
    const place = ranges[at]!;
    const size = ranges[at + 4]!;
    const file: HostFile = { kind: 'host-file', path: paths[ranges[at + 3]!]!, ...(size < 0 ? {} : { seen: { size, mtimeMs: ranges[at + 5]! } }) };
    files.read(file, ranges[at + 2]!, raw.subarray(place, place + ranges[at + 1]!));
  }
  files.settle();
}
