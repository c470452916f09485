/**
 * The digests of a chunk's blocks, out of the image's own hash tree. Nobody has to believe them: a chunk's id is the digest of
 * its leaves, so whoever uses them compares the two.
 */
import { LruCache } from '../bytes/lru-cache.js';
import { leavesOffset, type Manifest } from '../format/manifest.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import { BLOCK_SIZE, MiB } from '../units.js';

/** Bytes of hash tree in memory at most: the leaves of 512 MiB. */
const MEMORY_SIZE = 4 * MiB;

/** A part of the tree that was asked for: the second time it is worth decoding. */
interface Stretch { bytes?: Uint8Array | undefined; asked: boolean }

export class LeafDigests {
  private readonly start: number;
  private readonly end: number;
  private readonly chunkSize: number;
  /** By the number of the chunk that holds them. */
  private readonly stretches: LruCache<number, Stretch>;

  /** @param load a whole chunk that is here, verified; the caller owns it */
  constructor(manifest: Manifest, private readonly load: (chunk: number) => Uint8Array | undefined) {
    this.start = leavesOffset(manifest);
    this.end = manifest.verity.hashOffset;
    this.chunkSize = manifest.index.chunkSize;
    this.stretches = new LruCache(Math.ceil(MEMORY_SIZE / this.chunkSize));
  }

  /** @returns a view, undefined when they are not at hand: they lie beyond the file system, are not here, or nobody has asked for their neighbours lately */
  of(chunk: number): Uint8Array | undefined {
    const { chunkSize } = this;
    if ((chunk + 1) * chunkSize > this.end) return undefined;
    const length = chunkSize / BLOCK_SIZE * DIGEST_SIZE;
    const offset = this.start + chunk * length;
    const holder = Math.floor(offset / chunkSize);
    const within = offset - holder * chunkSize;
    if (within + length > chunkSize) return undefined;
    const stretch = this.stretches.get(holder, () => ({ asked: false }));
    if (stretch.asked) stretch.bytes ??= this.load(holder);
    stretch.asked = true;
    return stretch.bytes?.subarray(within, within + length);
  }
}
