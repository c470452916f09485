/**
 * Frames of the hash area of an image that is pulled. The hash tree does not compress and changes with every block, so computing it
 * saves the download 0.8 % of the raw image.
 */
import { PieceFiller } from '../bytes/piece-filler.js';
import { parseHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import { openCodec } from '../codec/registry.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { contentWindows } from '../image/content-reader.js';
import { BLOCK_SIZE } from '../units.js';
import { buildHashArea } from '../verity/hash-tree.js';
import { LeafStore } from '../verity/leaf-store.js';
import type { ChunkTable } from './chunk-table.js';
import type { FrameCheck } from './frame-check.js';
import { LeafFile } from './leaf-file.js';
import type { PartialImage } from './partial-image.js';

/** @returns the first chunk that lies in the hash area as a whole */
export function firstHashChunk({ verity, index }: Manifest): number {
  return Math.ceil(verity.hashOffset / index.chunkSize);
}

/**
 * Makes the frames of the hash area out of the chunks before it, which are here.
 *
 * Memory: leaf digests, at most 8 MiB; others wait in a nameless file.
 *
 * @param wanted chunks that lie in the hash area as a whole
 * @returns those of them whose frames came out otherwise
 */
export function makeHashFrames(file: PartialImage, wanted: readonly number[], { table, check, manifest, keep, signal }: HashFrameOptions): number[] {
  const { verity, uuid, index: { chunkSize }, codec: { level } } = manifest;
  const salt = parseHex(verity.salt, 'manifest.verity.salt');
  const overflow = new LeafFile(`${file.path}.leaves.${process.pid}`);
  try {
    const leaves = new LeafStore(salt, overflow);
    const digests = new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE);
    for (let number = 0; number * chunkSize < verity.hashOffset; number++) {
      signal?.throwIfAborted();
      const size = Math.min(chunkSize, verity.hashOffset - number * chunkSize);
      if (table.isZero(number)) leaves.addZeroBlocks(size / BLOCK_SIZE);
      else leaves.add(digests.subarray(0, hashLeaves(check.decode(number, file.read(number)).subarray(0, size), salt, digests)));
    }
    const missing = new Set(wanted);
    const codec = openCodec();
    const frame = new Uint8Array(codec.bound(chunkSize));
    let number = firstHashChunk(manifest);
    const take = (chunk: Uint8Array): Uint8Array => {
      if (missing.has(number)) {
        const made = frame.subarray(0, codec.compress(chunk, frame, level));
        if (check.passes(number, made)) {
          missing.delete(number);
          keep(number, made);
        }
      }
      number++;
      return chunk;
    };
    const chunks = new PieceFiller(chunkSize, take);
    const skipped = number * chunkSize - verity.hashOffset;
    for (const { offset, bytes } of contentWindows(buildHashArea({ leaves, salt, uuid: parseUuid(uuid, 'manifest.uuid') }).content)) {
      chunks.add(bytes.subarray(Math.max(0, skipped - offset)));
    }
    if (chunks.waiting.length > 0) take(chunks.waiting);
    return [...missing];
  } finally {
    overflow.close();
  }
}

export interface HashFrameOptions {
  readonly table: ChunkTable;
  readonly check: FrameCheck;
  readonly manifest: Manifest;
  /** Takes a frame that is right. */
  readonly keep: (number: number, frame: Uint8Array) => void;
  readonly signal?: AbortSignal | undefined;
}
