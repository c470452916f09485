/**
 * The dm-verity hash area: a superblock in a block of its own, then the levels of the tree, top level first, each in whole
 * 4096-byte blocks of 128 digests. Byte-identical with `veritysetup format` (linux Documentation/admin-guide/device-mapper/verity.rst).
 */
import { DIGEST_SIZE, hashLeaves } from '../hash/sha256.js';
import type { Content, Piece } from '../model/content.js';
import { BLOCK_SIZE, roundUp } from '../units.js';
import { bytesOfRun, type LeafRun, type LeafStore } from './leaf-store.js';
import { encodeSuperblock } from './superblock.js';

export interface HashArea {
  readonly rootHash: Uint8Array;
  /** Superblock and tree, to be put where the data ends. */
  readonly content: Content;
}

export interface HashAreaOptions {
  /** Digests of all data blocks. */
  readonly leaves: LeafStore;
  /** At most 256 bytes. */
  readonly salt: Uint8Array;
  /** Sixteen bytes. */
  readonly uuid: Uint8Array;
}

/** Builds the levels above the leaves: 1/128 of their size in memory, one digest for each of their blocks. */
export function buildHashArea({ leaves, salt, uuid }: HashAreaOptions): HashArea {
  const levels: LeafRun[][] = [];
  let digests = leaves.runs();
  while (sizeOf(digests) > DIGEST_SIZE) { // a single digest is the root, also of a device of one block
    levels.unshift(digests);
    digests = [runOf(digestsOf(digests, salt))];
  }
  const superblock = encodeSuperblock({ dataBlocks: leaves.count, salt, uuid });
  return { rootHash: bytesOfRun(digests[0]!), content: contentOf(superblock, levels) };
}

function runOf(source: Uint8Array): LeafRun {
  return { source, sourceOffset: 0, length: source.length };
}

function sizeOf(runs: readonly LeafRun[]): number {
  return runs.reduce((sum, { length }) => sum + length, 0);
}

/** Digests of the hash blocks that a level fills; every run but the last is whole blocks. */
function digestsOf(level: readonly LeafRun[], salt: Uint8Array): Uint8Array {
  const digests = new Uint8Array(Math.ceil(sizeOf(level) / BLOCK_SIZE) * DIGEST_SIZE);
  let at = 0;
  for (const run of level) at += hashLeaves(bytesOfRun(run), salt, digests.subarray(at));
  return digests;
}

function contentOf(superblock: Uint8Array, levels: readonly (readonly LeafRun[])[]): Content {
  const pieces: Piece[] = [{ offset: 0, ...runOf(superblock) }];
  let start = BLOCK_SIZE;
  for (const level of levels) {
    let offset = start;
    for (const run of level) {
      pieces.push({ offset, ...run });
      offset += run.length;
    }
    start = roundUp(offset, BLOCK_SIZE);
  }
  return { size: start, pieces };
}
