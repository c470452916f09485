/** Whether parts of two images have the same bytes, found without reading them: the hash trees have a digest of each block. */
import { leavesOffset } from '../format/manifest.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import type { Image } from '../image/image.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE, MiB } from '../units.js';
import type { Extents } from './extents.js';

export interface PartOfImage { readonly image: Image; readonly extents: Extents }

/** Compared at a time. */
const STEP_SIZE = 64 * MiB;

/** @returns false also where digests cannot tell: other salts, parts that do not begin and end with blocks */
export async function haveSameBlocks(a: PartOfImage, b: PartOfImage, options: ReadOptions): Promise<boolean> {
  const { size } = a.extents;
  if (size !== b.extents.size || a.image.manifest.verity.salt !== b.image.manifest.verity.salt || !hasLeaves(a) || !hasLeaves(b)) return false;
  for (let at = 0; at < size; at += STEP_SIZE) {
    const length = Math.min(STEP_SIZE, size - at);
    if (Buffer.compare(await leavesOf(a, at, length, options), await leavesOf(b, at, length, options)) !== 0) return false;
  }
  return true;
}

function hasLeaves({ image, extents }: PartOfImage): boolean {
  return image.manifest.verity.dataBlocks > 1 && extents.ranges.every(({ offset, length }) => offset % BLOCK_SIZE === 0 && length % BLOCK_SIZE === 0);
}

async function leavesOf({ image, extents }: PartOfImage, from: number, length: number, options: ReadOptions): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (const range of extents.locate(from, length)) {
    parts.push(await image.read(leavesOffset(image.manifest) + range.offset / BLOCK_SIZE * DIGEST_SIZE, range.length / BLOCK_SIZE * DIGEST_SIZE, options));
  }
  return Buffer.concat(parts);
}
