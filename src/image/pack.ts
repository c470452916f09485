/** Packing: a raw file system image becomes chunk frames, hash area, index and seek table behind a head that is written last. */
import { parseHex } from '../bytes/hex.js';
import { planBatches } from '../chunk/batch.js';
import { FrameWriter } from '../chunk/frame-writer.js';
import { stage } from '../chunk/job.js';
import { WorkerPool } from '../chunk/pool.js';
import { batchSizeOf, type Slot } from '../chunk/slot.js';
import { tailParts } from '../chunk/tail.js';
import { openCodec } from '../codec/registry.js';
import { fromErrno } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import type { Content, Piece } from '../model/content.js';
import { writeFully } from '../sys/write.js';
import { BLOCK_SIZE } from '../units.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { LeafStore } from '../verity/leaf-store.js';
import { wholeContent } from './content-reader.js';

export interface PackOptions {
  /** The file system: `fileSystemSize` bytes, filled up with zeros when the content is shorter. */
  readonly image: Content;
  /** A multiple of 4096. */
  readonly fileSystemSize: number;
  /** Of the verity superblock, 16 bytes. */
  readonly uuid: Uint8Array;
  readonly salt: Uint8Array;
  readonly chunkSize: number;
  readonly level: number;
  /** Threads with the same salt, chunk size and level; see {@link createPool}. */
  readonly pool: WorkerPool;
  /** Descriptor of the file, open for writing. */
  readonly file: number;
  /** Bytes left free at the file's start. */
  readonly headSize: number;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the file system packed so far, and in all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What the head and the manifest need to know. */
export interface PackedImage {
  readonly rawSize: number;
  readonly dataBlocks: number;
  readonly hashOffset: number;
  readonly rootHash: Uint8Array;
  readonly chunkCount: number;
  readonly rootPage: Uint8Array;
  readonly rootDigest: Uint8Array;
  readonly headSize: number;
  readonly indexOffset: number;
  readonly fileSize: number;
  /** zstd implementation. */
  readonly codec: string;
}

/** @returns threads for packing and checking; the caller closes them */
export function createPool({ chunkSize, level, salt, jobs, signal }: Pick<PackOptions, 'chunkSize' | 'level' | 'salt' | 'signal'> & { readonly jobs: number }): WorkerPool {
  return new WorkerPool({ shape: { chunkSize, frameBound: openCodec().bound(chunkSize) }, level, salt, jobs, ...(signal === undefined ? {} : { signal }) });
}

/** What a pool must be made for to work on an image. */
export function packingOf({ index: { chunkSize }, codec: { level }, verity }: Manifest): { chunkSize: number; level: number; salt: Uint8Array } {
  return { chunkSize, level, salt: parseHex(verity.salt, 'manifest.verity.salt') };
}

/**
 * Writes everything but the head. The same input gives the same bytes, however many threads there are.
 *
 * Memory: the pool's slots, 1/128 of the data for its leaves, 36 bytes a chunk.
 *
 * @throws SOURCE_CHANGED, NOT_PERMITTED, IO_FAILED for the source; NO_SPACE, IO_FAILED for the file; the signal's reason
 */
export async function packImage(options: PackOptions): Promise<PackedImage> {
  const { image, fileSystemSize, uuid, salt, chunkSize, headSize, file, level } = options;
  const codec = openCodec();
  const frames = new FrameWriter({ codec, level, salt, chunkSize, offset: headSize, write: (bytes, at) => { write(file, bytes, at); } });
  const leaves = new LeafStore(salt);
  // The last chunk of the file system goes on with the hash area, which is only known when all of the file system is hashed.
  const border = fileSystemSize - fileSystemSize % chunkSize;
  const { before, behind } = splitPieces(image.pieces, border);
  await packContent({ size: border, pieces: before }, frames, leaves, options);
  const rest = wholeContent({ size: fileSystemSize - border, pieces: behind });
  const restLeaves = new Uint8Array(rest.length / BLOCK_SIZE * DIGEST_SIZE);
  hashLeaves(rest, salt, restLeaves);
  leaves.add(restLeaves);

  const { rootHash, content: hashArea } = buildHashArea({ leaves, salt, uuid });
  const rawSize = fileSystemSize + hashArea.size;
  await packContent({ size: rawSize - border, pieces: joinPieces(rest, hashArea) }, frames, undefined, options);

  const { pages, rootPage, rootDigest } = frames.index.finish();
  const indexOffset = frames.end;
  let end = indexOffset;
  for (const part of tailParts(pages, { headSize, frameSizes: frames.index.frameSizes(), rawSize, chunkSize })) {
    write(file, part, end);
    end += part.length;
  }
  return {
    rawSize, dataBlocks: fileSystemSize / BLOCK_SIZE, hashOffset: fileSystemSize, rootHash, chunkCount: frames.index.chunkCount, rootPage, rootDigest, headSize,
    indexOffset, fileSize: end, codec: codec.implementation,
  };
}

/** A batch that is under way; without a slot it is a run of zeros. */
interface Step { readonly size: number; readonly slot?: Slot; readonly done?: Promise<void> }

/** Packs a content that begins on a chunk boundary of the image. @param leaves collects the digests, where they are wanted */
async function packContent(content: Content, frames: FrameWriter, leaves: LeafStore | undefined, { pool, chunkSize, fileSystemSize, onProgress, signal }: PackOptions): Promise<void> {
  const queue: Step[] = [];
  const writeFirst = async (): Promise<void> => {
    const { size, slot, done } = queue.shift()!;
    if (slot === undefined) {
      frames.addZeros(size);
      leaves?.addZeroBlocks(size / BLOCK_SIZE);
    } else {
      await done;
      frames.add(slot, Math.ceil(size / chunkSize));
      leaves?.add(slot.leaves.subarray(0, size / BLOCK_SIZE * DIGEST_SIZE));
      pool.freeSlots.push(slot);
    }
    onProgress?.(Math.min(frames.index.chunkCount * chunkSize, fileSystemSize), fileSystemSize);
  };

  for (const batch of planBatches(content, chunkSize, batchSizeOf(chunkSize))) {
    signal?.throwIfAborted();
    if (batch.pieces.length === 0) {
      queue.push({ size: batch.size });
      continue;
    }
    while (pool.freeSlots.length === 0) await writeFirst();
    const slot = pool.freeSlots.pop()!;
    queue.push({ size: batch.size, slot, done: pool.run(slot, stage(batch, slot)) });
  }
  while (queue.length > 0) await writeFirst();
}

/** Cuts ascending pieces at `border`. `behind` is filled in while `before` is walked; its offsets count from the border. */
function splitPieces(pieces: Iterable<Piece>, border: number): { before: Iterable<Piece>; behind: Piece[] } {
  const behind: Piece[] = [];
  function* before(): Generator<Piece> {
    for (const piece of pieces) {
      const { offset, length, source, sourceOffset } = piece;
      const inside = Math.max(0, Math.min(length, border - offset));
      if (inside === length) { yield piece; continue; }
      if (inside > 0) yield { offset, length: inside, source, sourceOffset };
      behind.push({ offset: offset + inside - border, length: length - inside, source, sourceOffset: sourceOffset + inside });
    }
  }
  return { before: before(), behind };
}

function* joinPieces(rest: Uint8Array, { pieces }: Content): Generator<Piece> {
  if (rest.length > 0) yield { offset: 0, length: rest.length, source: rest, sourceOffset: 0 };
  for (const piece of pieces) yield { ...piece, offset: rest.length + piece.offset };
}

function write(fd: number, bytes: Uint8Array, position: number): void {
  try {
    writeFully(fd, bytes, position);
  } catch (error) {
    throw fromErrno(error, 'writing the image');
  }
}
