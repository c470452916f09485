/**
 * The digests of all blocks of a hash area, computed from the leaves as they pass by. A hash block's digest is an entry of the
 * level above it, so a hash area whose leaves are known is checked without holding the leaves: in 1/128 of their memory.
 */
import { PieceFiller } from '../bytes/piece-filler.js';
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import { BLOCK_SIZE } from '../units.js';
import { encodeSuperblock, type SuperblockFacts } from './superblock.js';

export interface AreaDigests {
  readonly rootHash: Uint8Array;
  /** 32 bytes for each block of the hash area: superblock, then the levels, top level first. */
  readonly blocks: Uint8Array;
}

export class TreeDigests {
  /** Digests of the lowest level's hash blocks; one data block needs none. */
  private readonly lowest: Uint8Array;
  private done = 0;
  /** The hash block that is being filled. */
  private readonly block = new PieceFiller(BLOCK_SIZE, (block) => this.endBlock(block));

  constructor(private readonly facts: SuperblockFacts) {
    this.lowest = new Uint8Array(Math.ceil(facts.dataBlocks * DIGEST_SIZE / BLOCK_SIZE) * DIGEST_SIZE);
  }

  /** @param leaves digests of the next data blocks, one after another; at most `dataBlocks` in all */
  add(leaves: Uint8Array): void {
    this.block.add(leaves);
  }

  /** Once, after the last leaf. */
  finish(): AreaDigests {
    const { waiting } = this.block;
    const single = this.facts.dataBlocks === 1 ? waiting.slice() : undefined;
    if (waiting.length > 0 && single === undefined) this.block.add(new Uint8Array(BLOCK_SIZE - waiting.length));
    const levels = single === undefined ? [this.lowest] : [];
    while (levels.length > 0 && levels[0]!.length > DIGEST_SIZE) levels.unshift(this.digestsOf(levels[0]!));
    const superblock = this.digestsOf(encodeSuperblock(this.facts));
    return { rootHash: single ?? levels[0]!, blocks: Buffer.concat([superblock, ...levels]) };
  }

  private endBlock(block: Uint8Array): Uint8Array {
    this.done += hashLeaves(block, this.facts.salt, this.lowest.subarray(this.done));
    return block;
  }

  private digestsOf(level: Uint8Array): Uint8Array {
    const digests = new Uint8Array(Math.ceil(level.length / BLOCK_SIZE) * DIGEST_SIZE);
    hashLeaves(level, this.facts.salt, digests);
    return digests;
  }
}
