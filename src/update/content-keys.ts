/**
 * What a file holds, as a digest over the leaf digests of its blocks. An image has these leaves in its hash tree, so equal contents are
 * found without reading any content: 32 bytes for each block are enough.
 */
import { createHash, type Hash } from 'node:crypto';
import { Volume } from '../ext4/reader/volume.js';
import { leavesOffset } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { zeroLeaves } from '../hash/zero-leaves.js';
import { contentWindows, Windows, type ContentRun } from '../image/content-reader.js';
import type { Image } from '../image/image.js';
import type { Content, Piece } from '../model/content.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE, MiB } from '../units.js';

/** Gives contents keys: equal keys of one salt, equal contents. */
export interface ContentKeys {
  keyOf(content: Content, options: ReadOptions): Promise<string>;
}

/** @param salt of the leaves; keys are compared only among those of one salt */
export function keysOfImage(image: Image, salt: Uint8Array): ContentKeys {
  const byReading = new ReadKeys(image, salt);
  if (Buffer.from(salt).toString('hex') !== image.manifest.verity.salt) return byReading;
  const byLeaves = new LeafKeys(image, salt);
  let hasLeaves: Promise<boolean> | undefined; // in smaller blocks than those of the hash tree, a leaf is of several files
  return {
    keyOf: async (content, options) => {
      hasLeaves ??= image.run((view) => new Volume(view).blockSize % BLOCK_SIZE === 0, options);
      return (await hasLeaves && !isInline(content) ? byLeaves : byReading).keyOf(content, options);
    },
  };
}

/** Whether it lies in an inode, in up to two parts, and not in blocks. */
function isInline({ pieces }: Content): boolean {
  const [first] = pieces;
  return first?.source instanceof Uint8Array;
}

/** Of a source on this machine, which is read. */
export function keysOfSource(salt: Uint8Array): ContentKeys {
  return {
    keyOf: (content, { signal }) => {
      const key = new Key(content.size, salt);
      for (const { offset, bytes } of contentWindows(content)) {
        signal?.throwIfAborted();
        key.addBytes(offset, bytes);
      }
      return Promise.resolve(key.finish());
    },
  };
}

/** Leaves in the order of the file; what is left out is zero blocks. */
class Key {
  private readonly hash: Hash = createHash('sha256');
  private blocks = 0;

  constructor(private readonly size: number, private readonly salt: Uint8Array) {}

  /** @param offset a multiple of 4096 */
  addBytes(offset: number, bytes: Uint8Array): void {
    const leaves = new Uint8Array(Math.ceil(bytes.length / BLOCK_SIZE) * DIGEST_SIZE);
    hashLeaves(bytes, this.salt, leaves);
    this.addLeaves(offset, leaves);
  }

  addLeaves(offset: number, leaves: Uint8Array): void {
    this.skipTo(offset / BLOCK_SIZE);
    this.hash.update(leaves);
    this.blocks += leaves.length / DIGEST_SIZE;
  }

  finish(): string {
    this.skipTo(Math.ceil(this.size / BLOCK_SIZE));
    return `${this.size}.${this.hash.digest('hex')}`;
  }

  private skipTo(block: number): void {
    if (this.blocks >= block) return;
    const zeroLeaf = zeroLeaves(1, this.salt);
    for (; this.blocks < block; this.blocks++) this.hash.update(zeroLeaf);
  }
}

/** Leaves from the lowest level of the image's hash tree. */
class LeafKeys implements ContentKeys {
  private readonly start: number;

  constructor(private readonly image: Image, private readonly salt: Uint8Array) {
    this.start = leavesOffset(image.manifest);
  }

  async keyOf({ size, pieces }: Content, options: ReadOptions): Promise<string> {
    const key = new Key(size, this.salt);
    for (const piece of pieces) await this.addPiece(key, piece, options);
    return key.finish();
  }

  private async addPiece(key: Key, { offset, length, sourceOffset }: Piece, options: ReadOptions): Promise<void> {
    const blocks = Math.ceil(length / BLOCK_SIZE);
    const perRead = MiB / DIGEST_SIZE;
    for (let done = 0; done < blocks; done += perRead) {
      const count = Math.min(perRead, blocks - done);
      key.addLeaves(offset + done * BLOCK_SIZE, await this.image.read(this.start + (sourceOffset / BLOCK_SIZE + done) * DIGEST_SIZE, count * DIGEST_SIZE, options));
    }
  }
}

/** By reading everything: for an image whose leaves have another salt, or are of other blocks than the files. */
class ReadKeys implements ContentKeys {
  constructor(private readonly image: Image, private readonly salt: Uint8Array) {}

  async keyOf({ size, pieces }: Content, options: ReadOptions): Promise<string> {
    const key = new Key(size, this.salt);
    const windows = new Windows(size);
    const take = (runs: Iterable<ContentRun>): void => { for (const { offset, bytes } of runs) key.addBytes(offset, bytes); };
    for (const { offset, length, source, sourceOffset } of pieces) {
      for (let at = 0; at < length; at += MiB) {
        const count = Math.min(MiB, length - at);
        take(windows.add(offset + at, source instanceof Uint8Array ? source.subarray(sourceOffset + at, sourceOffset + at + count) : await this.image.read(sourceOffset + at, count, options)));
      }
    }
    take(windows.finish());
    return key.finish();
  }
}
