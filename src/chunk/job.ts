/** What the main thread asks of a worker, and how a worker does it. Bytes travel in the slot; messages are flat arrays. */
import { readSync } from 'node:fs';
import type { Codec } from '../codec/codec.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
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

/** Reads frames of a file into the slot, decompresses and hashes them. */
export interface UnpackJob {
  readonly kind: 'unpack';
  readonly size: number;
  /** Descriptor of this process, and where the first frame begins. */
  readonly fd: number;
  readonly offset: number;
  /** Number of the first chunk, for messages. */
  readonly firstChunk: number;
}

export type Job = PackJob | UnpackJob;

export interface Workbench {
  readonly codec: Codec;
  readonly files: HostReader;
  readonly chunkSize: number;
  readonly level: number;
  readonly salt: Uint8Array;
}

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
    const file: HostFile = { path: paths[ranges[at + 3]!]!, ...(size < 0 ? {} : { seen: { size, mtimeMs: ranges[at + 5]! } }) };
    files.read(file, ranges[at + 2]!, raw.subarray(place, place + ranges[at + 1]!));
  }
  files.settle();
}

export function work(job: Job, slot: Slot, bench: Workbench): void {
  if (job.kind === 'pack') packBatch(job, slot, bench);
  else unpackBatch(job, slot, bench);
}

function packBatch(job: PackJob, slot: Slot, { codec, files, chunkSize, level, salt }: Workbench): void {
  readRanges(job, slot.raw, files);
  let end = 0;
  for (let chunk = 0, at = 0; at < job.size; chunk++, at += chunkSize) {
    const raw = slot.raw.subarray(at, Math.min(at + chunkSize, job.size));
    const frameSize = codec.compress(raw, slot.frames.subarray(end), level);
    slot.frameSizes[chunk] = frameSize;
    end += frameSize;
  }
  identify(job.size, slot, chunkSize, salt);
}

function unpackBatch({ size, fd, offset, firstChunk }: UnpackJob, slot: Slot, { codec, chunkSize, salt }: Workbench): void {
  const count = Math.ceil(size / chunkSize);
  const framesSize = slot.frameSizes.subarray(0, count).reduce((sum, frameSize) => sum + frameSize, 0);
  readFully(fd, offset, slot.frames.subarray(0, framesSize));
  let at = 0;
  for (let chunk = 0; chunk < count; chunk++) {
    const frame = slot.frames.subarray(at, at + slot.frameSizes[chunk]!);
    try {
      codec.decompress(frame, slot.raw.subarray(chunk * chunkSize, Math.min((chunk + 1) * chunkSize, size)));
    } catch (cause) {
      throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${firstChunk + chunk}: its frame does not decompress`, {
        detail: { chunk: firstChunk + chunk, frameOffset: offset + at, frameSize: frame.length }, suggestion: 'Fetch or copy the image again.', cause,
      });
    }
    at += frame.length;
  }
  identify(size, slot, chunkSize, salt);
}

/** Leaf digests of all blocks, chunk ids over them. */
function identify(size: number, slot: Slot, chunkSize: number, salt: Uint8Array): void {
  let [leaf, id] = [0, 0];
  for (let at = 0; at < size; at += chunkSize) {
    const written = hashLeaves(slot.raw.subarray(at, Math.min(at + chunkSize, size)), salt, slot.leaves.subarray(leaf));
    slot.ids.set(sha256(slot.leaves.subarray(leaf, leaf + written)), id);
    leaf += written;
    id += DIGEST_SIZE;
  }
}

function readFully(fd: number, offset: number, target: Uint8Array): void {
  for (let done = 0; done < target.length;) {
    let count: number;
    try {
      count = readSync(fd, target, done, target.length - done, offset + done);
    } catch (error) {
      throw fromErrno(error, 'reading the image');
    }
    if (count === 0) {
      throw new ThawfsError('TRUNCATED', `image: ends at byte ${offset + done}, a frame goes on to ${offset + target.length}`, { detail: { offset: offset + done } });
    }
    done += count;
  }
}
