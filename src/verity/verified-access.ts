/** A raw image as a source of bytes that are all checked: each block against its dm-verity tree, from the root hash down. */
import { LruCache } from '../bytes/lru-cache.js';
import type { RandomAccess } from '../bytes/random-access.js';
import { ThawfsError } from '../errors.js';
import { hashTreeLevels } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE, KiB } from '../units.js';
import { readVerityClaim } from './superblock.js';

const WINDOW_SIZE = 64 * KiB;
const DIGESTS_PER_BLOCK = BLOCK_SIZE / DIGEST_SIZE;
/** 8 MiB of data, and the digests of 64 MiB. */
const WINDOWS_KEPT = 128;
const HASH_BLOCKS_KEPT = 128;

export interface VerityRoot {
  /** Where the file system ends and the superblock stands. */
  readonly hashOffset: number;
  readonly rootHash: Uint8Array;
}

/** The data area of a raw image. Memory: 9 MiB. */
export class VerifiedAccess implements RandomAccess {
  readonly size: number;
  private readonly salt: Uint8Array;
  /** File offset of each level, top first. */
  private readonly levels: readonly number[];
  private readonly windows = new LruCache<number, Uint8Array>(WINDOWS_KEPT);
  private readonly hashBlocks = new LruCache<number, Uint8Array>(HASH_BLOCKS_KEPT);

  /** @throws WRONG_BASE when the raw image has another root hash, or is none; what reading throws */
  constructor(private readonly raw: RandomAccess, private readonly root: VerityRoot) {
    this.size = root.hashOffset;
    const claim = readVerityClaim(raw, root.hashOffset);
    if (claim === undefined) throw this.otherImage('no verity superblock at its place');
    if (Buffer.compare(claim.rootHash, root.rootHash) !== 0) throw this.otherImage(`root hash ${Buffer.from(claim.rootHash).toString('hex')}`);
    this.salt = claim.salt;
    let offset = root.hashOffset + BLOCK_SIZE;
    this.levels = hashTreeLevels(root.hashOffset / BLOCK_SIZE).map((blocks) => (offset += blocks * BLOCK_SIZE) - blocks * BLOCK_SIZE);
  }

  /** @throws CHUNK_DIGEST_MISMATCH when a block is damaged; TRUNCATED outside the data area */
  read(offset: number, length: number): Uint8Array {
    if (offset < 0 || length < 0 || offset + length > this.size) {
      throw new ThawfsError('TRUNCATED', `raw image: bytes ${offset}-${offset + length - 1} were wanted, it has ${this.size}`, { detail: { offset, length, size: this.size } });
    }
    const first = Math.floor(offset / WINDOW_SIZE);
    const start = offset - first * WINDOW_SIZE;
    if (start + length <= WINDOW_SIZE) return length === 0 ? new Uint8Array(0) : this.window(first).subarray(start, start + length);
    const target = Buffer.allocUnsafeSlow(length);
    for (let number = first; number * WINDOW_SIZE < offset + length; number++) {
      const at = number * WINDOW_SIZE - offset;
      target.set(this.window(number).subarray(Math.max(0, -at), length - at), Math.max(0, at));
    }
    return target;
  }

  private window(number: number): Uint8Array {
    return this.windows.get(number, () => {
      const offset = number * WINDOW_SIZE;
      const bytes = this.raw.read(offset, Math.min(WINDOW_SIZE, this.size - offset));
      const leaves = new Uint8Array(bytes.length / BLOCK_SIZE * DIGEST_SIZE);
      hashLeaves(bytes, this.salt, leaves);
      for (let at = 0; at < leaves.length; at += DIGEST_SIZE) {
        const block = offset / BLOCK_SIZE + at / DIGEST_SIZE;
        if (Buffer.compare(leaves.subarray(at, at + DIGEST_SIZE), this.expected(this.levels.length, block)) === 0) continue;
        throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `raw image: block ${block} is not what its hash tree says`, { detail: { block }, suggestion: 'Fetch or copy the image again.' });
      }
      return bytes;
    });
  }

  /** @returns the digest that block `number` of a level must have; the level behind the last is the data */
  private expected(level: number, number: number): Uint8Array {
    if (level === 0) return this.root.rootHash;
    const at = number % DIGESTS_PER_BLOCK * DIGEST_SIZE;
    return this.hashBlock(level - 1, Math.floor(number / DIGESTS_PER_BLOCK)).subarray(at, at + DIGEST_SIZE);
  }

  private hashBlock(level: number, number: number): Uint8Array {
    const offset = this.levels[level]! + number * BLOCK_SIZE;
    return this.hashBlocks.get(offset, () => {
      const bytes = this.raw.read(offset, BLOCK_SIZE);
      const digest = new Uint8Array(DIGEST_SIZE);
      hashLeaves(bytes, this.salt, digest);
      if (Buffer.compare(digest, this.expected(level, number)) === 0) return bytes;
      throw new ThawfsError('CHUNK_DIGEST_MISMATCH', `raw image: its hash tree is damaged at byte ${offset}`, { detail: { offset }, suggestion: 'Fetch or copy the image again.' });
    });
  }

  private otherImage(has: string): ThawfsError {
    const expected = Buffer.from(this.root.rootHash).toString('hex');
    return new ThawfsError('WRONG_BASE', `the patch applies to an image with root hash ${expected}; this one has ${has}`, {
      detail: { expected }, suggestion: 'Apply it to the image that it was made from, or use thawfs pull.',
    });
  }
}
