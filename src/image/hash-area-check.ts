/** Holds the hash area of an image against its data, from nothing but the leaf digests of the whole raw image. */
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import { TreeDigests } from '../verity/tree-digests.js';

/** Memory: 1/128 of the leaves. */
export class HashAreaCheck {
  private readonly tree: TreeDigests;
  private expected: Uint8Array | undefined;
  /** Bytes of digests seen. */
  private taken = 0;

  constructor(private readonly verity: Manifest['verity'], salt: Uint8Array, uuid: Uint8Array) {
    this.tree = new TreeDigests({ dataBlocks: verity.dataBlocks, salt, uuid });
  }

  /**
   * @param leaves digests of the next blocks, in order
   * @throws ROOT_DIGEST_MISMATCH when the data does not have the manifest's root hash, or a block of the hash area is not what the data gives
   */
  take(leaves: Uint8Array): void {
    const data = Math.max(0, Math.min(leaves.length, this.verity.dataBlocks * DIGEST_SIZE - this.taken));
    this.tree.add(leaves.subarray(0, data));
    this.taken += data;
    for (let at = data; at < leaves.length; at += DIGEST_SIZE) {
      this.compare(leaves.subarray(at, at + DIGEST_SIZE));
      this.taken += DIGEST_SIZE;
    }
  }

  private compare(leaf: Uint8Array): void {
    this.expected ??= this.finishTree();
    const at = this.taken - this.verity.dataBlocks * DIGEST_SIZE;
    if (Buffer.compare(leaf, this.expected.subarray(at, at + DIGEST_SIZE)) === 0) return;
    const offset = this.taken / DIGEST_SIZE * BLOCK_SIZE;
    throw new ThawfsError('ROOT_DIGEST_MISMATCH', `hash area: the block at byte ${offset} of the raw image is not what the data gives`, {
      detail: { offset }, suggestion: 'Build the image again.',
    });
  }

  private finishTree(): Uint8Array {
    const { rootHash, blocks } = this.tree.finish();
    const [actual, expected] = [toHex(rootHash), this.verity.rootHash];
    if (actual === expected) return blocks;
    throw new ThawfsError('ROOT_DIGEST_MISMATCH', `dm-verity root hash is ${actual}, the manifest says ${expected}`, {
      detail: { expected, actual }, suggestion: 'Build the image again.',
    });
  }
}
