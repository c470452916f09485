/** What a worker does with a batch in a slot. */
import { readSync } from 'node:fs';
import type { Codec } from '../codec/codec.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import type { HostReader } from './host-reader.js';
import { readRanges, type Job, type PackJob, type UnpackJob } from './job.js';
import type { Slot } from './slot.js';

export interface Workbench {
  readonly codec: Codec;
  readonly files: HostReader;
  readonly chunkSize: number;
  readonly level: number;
  readonly salt: Uint8Array;
  /** The last chunk with a short frame: an image with large holes has the same frame again and again. */
  repeated?: { readonly frame: Uint8Array; readonly size: number; readonly leaves: Uint8Array; readonly id: Uint8Array };
}

/** Frames up to this size are compared with the last one; they hold little but zeros. */
const SHORT_FRAME_SIZE = 256;

export function work(job: Job, slot: Slot, bench: Workbench): void {
  if (job.kind === 'pack') packBatch(job, slot, bench);
  else unpackBatch(job, slot, bench);
}

function packBatch(job: PackJob, slot: Slot, bench: Workbench): void {
  readRanges(job, slot.raw, bench.files);
  let end = 0;
  for (let chunk = 0, at = 0; at < job.size; chunk++, at += bench.chunkSize) {
    const raw = slot.raw.subarray(at, Math.min(at + bench.chunkSize, job.size));
    identify(chunk, raw, slot, bench);
    const frameSize = bench.codec.compress(raw, slot.frames.subarray(end), bench.level);
    slot.frameSizes[chunk] = frameSize;
    end += frameSize;
  }
}

function unpackBatch({ size, fd, offset, firstChunk, keepRaw }: UnpackJob, slot: Slot, bench: Workbench): void {
  const { codec, chunkSize } = bench;
  const count = Math.ceil(size / chunkSize);
  const framesSize = slot.frameSizes.subarray(0, count).reduce((sum, frameSize) => sum + frameSize, 0);
  readFully(fd, offset, slot.frames.subarray(0, framesSize));
  let at = 0;
  for (let chunk = 0; chunk < count; chunk++) {
    const frame = slot.frames.subarray(at, at + slot.frameSizes[chunk]!);
    const raw = slot.raw.subarray(chunk * chunkSize, Math.min((chunk + 1) * chunkSize, size));
    if (keepRaw === true || !repeat(chunk, frame, raw.length, slot, bench)) {
      try {
        codec.decompress(frame, raw);
      } catch (cause) {
        throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${firstChunk + chunk}: its frame does not decompress`, {
          detail: { chunk: firstChunk + chunk, frameOffset: offset + at, frameSize: frame.length }, suggestion: 'Fetch or copy the image again.', cause,
        });
      }
      identify(chunk, raw, slot, bench);
      remember(chunk, frame, raw.length, slot, bench);
    }
    at += frame.length;
  }
}

/** Leaf digests of a chunk's blocks, and its id over them. */
function identify(chunk: number, raw: Uint8Array, slot: Slot, { chunkSize, salt }: Workbench): void {
  const leaves = leavesOf(chunk, raw.length, slot, chunkSize);
  hashLeaves(raw, salt, leaves);
  slot.ids.set(sha256(leaves), chunk * DIGEST_SIZE);
}

/** Equal frames decompress to equal chunks. @returns whether this one did */
function repeat(chunk: number, frame: Uint8Array, size: number, slot: Slot, { chunkSize, repeated }: Workbench): boolean {
  if (repeated?.size !== size || Buffer.compare(repeated.frame, frame) !== 0) return false;
  leavesOf(chunk, size, slot, chunkSize).set(repeated.leaves);
  slot.ids.set(repeated.id, chunk * DIGEST_SIZE);
  return true;
}

function remember(chunk: number, frame: Uint8Array, size: number, slot: Slot, bench: Workbench): void {
  if (frame.length > SHORT_FRAME_SIZE) return;
  const id = slot.ids.slice(chunk * DIGEST_SIZE, (chunk + 1) * DIGEST_SIZE);
  bench.repeated = { frame: frame.slice(), size, leaves: leavesOf(chunk, size, slot, bench.chunkSize).slice(), id };
}

function leavesOf(chunk: number, size: number, { leaves }: Slot, chunkSize: number): Uint8Array {
  const first = chunk * chunkSize / BLOCK_SIZE * DIGEST_SIZE;
  return leaves.subarray(first, first + Math.ceil(size / BLOCK_SIZE) * DIGEST_SIZE);
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
