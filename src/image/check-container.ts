/**
 * Is the file what its manifest says, to the last byte? Every chunk is decompressed and hashed again and its id compared with the
 * index, the dm-verity tree is computed anew and compared with the one in the image, and the tail with what the format makes of it.
 */
import { closeSync, openSync } from 'node:fs';
import { parseHex, toHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import type { ChunkPlace } from '../chunk/index-reader.js';
import { encodeHead } from '../chunk/head.js';
import { WorkerPool } from '../chunk/pool.js';
import { batchSizeOf, type Slot } from '../chunk/slot.js';
import { seekTableFrame } from '../chunk/tail.js';
import { openCodec } from '../codec/registry.js';
import { fromErrno, ThawfsError, type ErrorCode } from '../errors.js';
import { INDEX_FRAME_MAGIC, SKIPPABLE_HEADER_SIZE } from '../format/container.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { LeafStore } from '../verity/leaf-store.js';
import type { Image } from './image.js';

export interface CheckOptions {
  /** Worker threads, for files of this machine. */
  readonly jobs: number;
  readonly signal?: AbortSignal | undefined;
  /** Raw bytes checked so far, and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Receives the leaf digests of the whole raw image, in order. */
type TakeLeaves = (leaves: Uint8Array) => void;

/**
 * Reads everything. An image that is far away is fetched whole, and hashed on this thread.
 *
 * @param path of the image on this machine, undefined when it is elsewhere
 * @throws CHUNK_DIGEST_MISMATCH, INDEX_DIGEST_MISMATCH, ROOT_DIGEST_MISMATCH, STRUCTURE_INVALID for a wrong tail, TRUNCATED; the signal's reason
 */
export async function checkContainer(image: Image, path: string | undefined, options: CheckOptions): Promise<void> {
  const { verity, raw } = image.manifest;
  const salt = parseHex(verity.salt, 'manifest.verity.salt');
  const leaves = new LeafStore(salt);
  const areaLeaves = new Uint8Array((raw.size - raw.fileSystemSize) / BLOCK_SIZE * DIGEST_SIZE);
  const dataSize = verity.dataBlocks * DIGEST_SIZE;
  let taken = 0;
  const take: TakeLeaves = (found) => {
    const data = Math.max(0, Math.min(found.length, dataSize - taken));
    leaves.add(found.subarray(0, data));
    areaLeaves.set(found.subarray(data), Math.max(0, taken - dataSize));
    taken += found.length;
  };
  checkHead(image);
  await (path === undefined ? readRemote(image, salt, take, options) : readLocal(image, path, salt, take, options));
  checkHashArea(image, leaves, salt, areaLeaves);
  await checkTail(image, options);
}

async function readLocal(image: Image, path: string, salt: Uint8Array, take: TakeLeaves, { jobs, signal, onProgress }: CheckOptions): Promise<void> {
  const { raw, index: { chunkSize, chunkCount }, codec: { level } } = image.manifest;
  const perBatch = batchSizeOf(chunkSize) / chunkSize;
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
  const pool = new WorkerPool({ shape: { chunkSize, frameBound: openCodec().bound(chunkSize) }, level, salt, jobs, ...(signal === undefined ? {} : { signal }) });
  const queue: { readonly places: readonly ChunkPlace[]; readonly slot: Slot; readonly done: Promise<void>; readonly size: number }[] = [];
  const takeFirst = async (): Promise<void> => {
    const { places, slot, done, size } = queue.shift()!;
    await done;
    places.forEach((place, i) => { compareId(place, slot.ids.subarray(i * DIGEST_SIZE, (i + 1) * DIGEST_SIZE), chunkSize); });
    take(slot.leaves.subarray(0, size / BLOCK_SIZE * DIGEST_SIZE));
    pool.freeSlots.push(slot);
    onProgress?.(places[0]!.number * chunkSize + size, raw.size);
  };
  try {
    for (let first = 0; first < chunkCount; first += perBatch) {
      const places = await image.locate(first, Math.min(first + perBatch, chunkCount), { signal });
      while (pool.freeSlots.length === 0) await takeFirst();
      const slot = pool.freeSlots.pop()!;
      places.forEach(({ frameSize }, i) => { slot.frameSizes[i] = frameSize; });
      const size = places.reduce((sum, place) => sum + place.size, 0);
      queue.push({ places, slot, size, done: pool.run(slot, { kind: 'unpack', size, fd, offset: places[0]!.frameOffset, firstChunk: first }) });
    }
    while (queue.length > 0) await takeFirst();
  } finally {
    await pool.close();
    closeSync(fd);
  }
}

function compareId({ number, id, size }: ChunkPlace, found: Uint8Array, chunkSize: number): void {
  if (Buffer.compare(id, found) === 0) return;
  const offset = number * chunkSize;
  throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `chunk ${number} (bytes ${offset}-${offset + size - 1}): id is ${toHex(found)}, the index says ${toHex(id)}`, {
    detail: { chunk: number, offset, length: size, expected: toHex(id), actual: toHex(found) }, suggestion: 'Fetch or copy the image again.',
  });
}

/** The image compares ids itself when it hands chunks out. */
async function readRemote(image: Image, salt: Uint8Array, take: TakeLeaves, { signal, onProgress }: CheckOptions): Promise<void> {
  const { raw, index: { chunkSize } } = image.manifest;
  const leaves = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
  for await (const { offset, bytes } of image.chunks(0, raw.size, { signal })) {
    take(leaves.subarray(0, hashLeaves(bytes, salt, leaves)));
    onProgress?.(offset + bytes.length, raw.size);
  }
}

function checkHashArea({ manifest }: Image, leaves: LeafStore, salt: Uint8Array, areaLeaves: Uint8Array): void {
  const { rootHash, content } = buildHashArea({ leaves, salt, uuid: parseUuid(manifest.uuid, 'manifest.uuid') });
  const { verity } = manifest;
  const fail = (code: ErrorCode, message: string, detail: Record<string, string | number>): ThawfsError => new ThawfsError(code, message, { detail, suggestion: 'Build the image again.' });
  if (toHex(rootHash) !== verity.rootHash) {
    throw fail('ROOT_DIGEST_MISMATCH', `dm-verity root hash is ${toHex(rootHash)}, the manifest says ${verity.rootHash}`, { expected: verity.rootHash, actual: toHex(rootHash) });
  }
  const block = new Uint8Array(BLOCK_SIZE);
  const leaf = new Uint8Array(DIGEST_SIZE);
  const compare = (offset: number): void => {
    hashLeaves(block, salt, leaf);
    const at = offset / BLOCK_SIZE * DIGEST_SIZE;
    if (Buffer.compare(leaf, areaLeaves.subarray(at, at + DIGEST_SIZE)) === 0) return;
    throw fail('ROOT_DIGEST_MISMATCH', `hash area: the block at byte ${verity.hashOffset + offset} of the raw image is not what the data gives`, { offset: verity.hashOffset + offset });
  };
  let filled = 0;
  for (const { offset, length, source, sourceOffset } of content.pieces) {
    for (let done = 0; done < length;) {
      const start = offset + done - (offset + done) % BLOCK_SIZE;
      for (; filled < start; filled += BLOCK_SIZE) { compare(filled); block.fill(0); }
      const inside = offset + done - start;
      const count = Math.min(BLOCK_SIZE - inside, length - done);
      block.set((source as Uint8Array).subarray(sourceOffset + done, sourceOffset + done + count), inside);
      done += count;
    }
  }
  for (; filled < content.size; filled += BLOCK_SIZE) { compare(filled); block.fill(0); }
}

/** Nothing but its sections may be in the head: an open image tolerates what an interrupted `sign` left, a sound one has none. */
function checkHead({ head, headBytes }: Image): void {
  if (Buffer.compare(headBytes, encodeHead(head)) === 0) return;
  throw new ThawfsError('STRUCTURE_INVALID', 'image file: the head holds more than its sections', {
    detail: { record: 'head' }, suggestion: 'If signing was interrupted, run thawfs sign again; else fetch or copy the image again.',
  });
}

/** Behind the frames lie the index, which was read page by page, and a seek table that follows from it. */
async function checkTail(image: Image, { signal }: CheckOptions): Promise<void> {
  const { head, manifest: { raw, index: { chunkSize, chunkCount } }, fileSize } = image;
  const last = (await image.locate(chunkCount - 1, chunkCount, { signal }))[0]!;
  const wrong = (what: string): ThawfsError => new ThawfsError('STRUCTURE_INVALID', `image file: ${what}`, { suggestion: 'Fetch or copy the image again.' });
  if (last.frameOffset + last.frameSize !== head.indexOffset) throw wrong('the chunk frames do not end where the index begins');
  const frameSizes = (await image.locate(0, chunkCount, { signal })).map(({ frameSize }) => frameSize);
  const tail = await image.readFile(head.indexOffset, fileSize - head.indexOffset, { signal });
  const indexSize = tail.length - seekTableFrame({ headSize: head.headSize, frameSizes, rawSize: raw.size, chunkSize, indexSize: 0 }).length;
  const expected = seekTableFrame({ headSize: head.headSize, frameSizes, rawSize: raw.size, chunkSize, indexSize });
  if (indexSize < SKIPPABLE_HEADER_SIZE || Buffer.compare(tail.subarray(indexSize), expected) !== 0) throw wrong('the seek table at its end is not that of its frames');
  const view = new DataView(tail.buffer, tail.byteOffset);
  if (view.getUint32(0, true) !== INDEX_FRAME_MAGIC || view.getUint32(4, true) !== indexSize - SKIPPABLE_HEADER_SIZE) throw wrong('the index frame has a wrong header');
}
