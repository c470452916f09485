/**
 * Is the file what its manifest says, to the last byte? Every chunk is decompressed and hashed again and its id compared with the
 * index, the dm-verity tree is computed anew and compared with the one in the image, and the tail with what the format makes of it.
 */
import { closeSync, openSync } from 'node:fs';
import { parseHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { encodeHead } from '../chunk/head.js';
import type { WorkerPool } from '../chunk/pool.js';
import { batchSizeOf, type Slot } from '../chunk/slot.js';
import { seekTableFrame } from '../chunk/tail.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { INDEX_FRAME_MAGIC, SKIPPABLE_HEADER_SIZE } from '../format/container.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import { compareId } from './chunk-id.js';
import { HashAreaCheck } from './hash-area-check.js';
import type { Image } from './image.js';

/** Of an image that is a file of this machine: its path, and threads made for its chunk size and salt (createPool in pack.ts). */
export interface LocalFile {
  readonly path: string;
  readonly pool: WorkerPool;
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined;
  /** Raw bytes checked so far, and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What every chunk leaves behind when it was read. */
interface Trace {
  /** Bytes of each chunk's frame. */
  readonly frameSizes: Uint32Array;
  /** Receives the leaf digests of the whole raw image, in order. */
  readonly hashArea: HashAreaCheck;
}

/**
 * Reads everything. An image that is far away is fetched whole, and hashed on this thread.
 *
 * Memory: the pool's slots, 32 bytes for each 512 KiB of the raw image, 20 bytes a chunk.
 *
 * @param local absent when the image is elsewhere; the caller closes the pool
 * @throws CHUNK_DIGEST_MISMATCH, INDEX_DIGEST_MISMATCH, ROOT_DIGEST_MISMATCH, STRUCTURE_INVALID for a wrong tail, TRUNCATED; the signal's reason
 */
export async function checkContainer(image: Image, local: LocalFile | undefined, options: CheckOptions): Promise<void> {
  const { verity, index, uuid } = image.manifest;
  const salt = parseHex(verity.salt, 'manifest.verity.salt');
  const trace: Trace = { frameSizes: new Uint32Array(index.chunkCount), hashArea: new HashAreaCheck(verity, salt, parseUuid(uuid, 'manifest.uuid')) };
  checkHead(image);
  await (local === undefined ? readRemote(image, salt, trace, options) : readLocal(image, local, trace, options));
  await checkTail(image, trace.frameSizes, options);
}

async function readLocal(image: Image, { path, pool }: LocalFile, { frameSizes, hashArea }: Trace, { signal, onProgress }: CheckOptions): Promise<void> {
  const { raw, index: { chunkSize, chunkCount } } = image.manifest;
  const perBatch = batchSizeOf(chunkSize) / chunkSize;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
  const queue: { readonly places: readonly ChunkPlace[]; readonly slot: Slot; readonly done: Promise<void>; readonly size: number }[] = [];
  const takeFirst = async (): Promise<void> => {
    const { places, slot, done, size } = queue.shift()!;
    await done;
    places.forEach((place, i) => { compareId(place, slot.ids.subarray(i * DIGEST_SIZE, (i + 1) * DIGEST_SIZE), chunkSize); });
    hashArea.take(slot.leaves.subarray(0, size / BLOCK_SIZE * DIGEST_SIZE));
    pool.freeSlots.push(slot);
    onProgress?.(places[0]!.number * chunkSize + size, raw.size);
  };
  try {
    for (let first = 0; first < chunkCount; first += perBatch) {
      const places = await image.locate(first, Math.min(first + perBatch, chunkCount), { signal });
      while (pool.freeSlots.length === 0) await takeFirst();
      const slot = pool.freeSlots.pop()!;
      places.forEach(({ frameSize }, i) => { slot.frameSizes[i] = frameSize; });
      frameSizes.set(slot.frameSizes.subarray(0, places.length), first);
      const size = places.reduce((sum, place) => sum + place.size, 0);
      queue.push({ places, slot, size, done: pool.run(slot, { kind: 'unpack', size, fd, offset: places[0]!.frameOffset, firstChunk: first }) });
    }
    while (queue.length > 0) await takeFirst();
  } finally {
    closeSync(fd);
  }
}

/** The image compares ids itself when it hands chunks out. */
async function readRemote(image: Image, salt: Uint8Array, { frameSizes, hashArea }: Trace, { signal, onProgress }: CheckOptions): Promise<void> {
  const { raw, index: { chunkSize } } = image.manifest;
  const leaves = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
  for await (const { offset, bytes } of image.chunks(0, raw.size, { signal })) {
    const chunk = offset / chunkSize;
    frameSizes[chunk] = (await image.locate(chunk, chunk + 1, { signal }))[0]!.frameSize;
    hashArea.take(leaves.subarray(0, hashLeaves(bytes, salt, leaves)));
    onProgress?.(offset + bytes.length, raw.size);
  }
}

/** Nothing but its sections may be in the head: an open image tolerates what an interrupted `sign` left, a sound one has none. */
function checkHead({ head, headBytes }: Image): void {
  if (Buffer.compare(headBytes, encodeHead(head)) === 0) return;
  throw new ThawfsError('STRUCTURE_INVALID', 'image file: the head holds more than its sections', {
    detail: { record: 'head' }, suggestion: 'If signing was interrupted, run thawfs sign again; else fetch or copy the image again.',
  });
}

/** Behind the frames lie the index, whose pages were read, and a seek table that follows from it. */
async function checkTail(image: Image, frameSizes: Uint32Array, { signal }: CheckOptions): Promise<void> {
  const { head: { headSize, indexOffset }, manifest: { raw, index: { chunkSize } }, fileSize } = image;
  const wrong = (what: string): ThawfsError => new ThawfsError('STRUCTURE_INVALID', `image file: ${what}`, { suggestion: 'Fetch or copy the image again.' });
  const header = await image.readFile(indexOffset, SKIPPABLE_HEADER_SIZE, { signal });
  const view = new DataView(header.buffer, header.byteOffset);
  const indexSize = SKIPPABLE_HEADER_SIZE + view.getUint32(4, true);
  const expected = seekTableFrame({ headSize, frameSizes, rawSize: raw.size, chunkSize, indexSize });
  if (view.getUint32(0, true) !== INDEX_FRAME_MAGIC || indexOffset + indexSize + expected.length !== fileSize) throw wrong('the index frame has a wrong header');
  for (let at = 0; at < expected.length; at += MiB) {
    const part = expected.subarray(at, at + MiB);
    const found = await image.readFile(indexOffset + indexSize + at, part.length, { signal });
    if (Buffer.compare(found, part) !== 0) throw wrong('the seek table at its end is not that of its frames');
  }
}
