/** Block maps made of anything: the walk ends soon, and what it says is in order and inside the device. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LruCache } from '../../../src/bytes/lru-cache.js';
import { ThawfsError } from '../../../src/errors.js';
import { mapRuns } from '../../../src/ext4/reader/mapping.js';
import type { Ext4Inode } from '../../../src/ext4/reader/inode.js';
import type { Volume } from '../../../src/ext4/reader/volume.js';
import { extent, extentHeader, extentIndex, EXTENT_MAGIC } from '../../../src/format/ext4/extent.js';
import { badField, type Place } from '../../../src/ext4/reader/fault.js';

const BLOCK = 1024;
const BLOCKS = 64;

function volumeOf(bytes: Uint8Array, onRead: () => void = () => undefined): Volume {
  return {
    blockSize: BLOCK, blockCount: BLOCKS, hasMetadataChecksums: false, extentNodes: new LruCache(4),
    readBlock: (block: number) => {
      onRead();
      return bytes.slice(block * BLOCK, (block + 1) * BLOCK);
    },
    checkBlocks: (first: number, count: number, place: Place, field: string) => {
      if (first < 1 || first + count > BLOCKS) throw badField(place, field, 'is outside');
    },
  } as unknown as Volume;
}

function inodeOf(mapping: Ext4Inode['mapping'], blockArea: Uint8Array): Ext4Inode {
  return { number: 12, offset: 0, mapping, blockArea, checksumSeed: 0 } as unknown as Ext4Inode;
}

const small = fc.integer({ min: 0, max: BLOCKS + 2 });
/** A node that is mostly sound, so that the walk gets somewhere. */
const node = (room: number) => fc.record({
  depth: fc.integer({ min: 0, max: 6 }),
  entries: fc.array(fc.record({ logical: fc.oneof(small, fc.integer({ min: 0, max: 2 ** 32 - 1 })), length: fc.oneof(small, fc.constant(32_769)), physical: small }), { maxLength: 4 }),
  sorted: fc.boolean(),
}).map(({ depth, entries, sorted }) => {
  const bytes = new Uint8Array(12 + room * 12);
  extentHeader.encode({ magic: EXTENT_MAGIC, entries: entries.length, max: room, depth }, bytes);
  if (sorted) entries.sort((a, b) => a.logical - b.logical);
  entries.forEach(({ logical, length, physical }, i) => {
    if (depth === 0) extent.encode({ block: logical, length, startLo: physical }, bytes, 12 + i * 12);
    else extentIndex.encode({ block: logical, leafLo: physical }, bytes, 12 + i * 12);
  });
  return bytes;
});

function walkIsSafe(volume: Volume, inode: Ext4Inode): void {
  let runs;
  try {
    runs = mapRuns(volume, inode);
  } catch (error) {
    if (!(error instanceof ThawfsError)) throw error;
    return;
  }
  let end = 0;
  let mapped = 0;
  for (const run of runs) {
    expect(run.logical).toBeGreaterThanOrEqual(end);
    expect(run.physical).toBeGreaterThan(0);
    expect(run.physical + run.count).toBeLessThanOrEqual(BLOCKS);
    end = run.logical + run.count;
    mapped += run.count;
  }
  expect(mapped).toBeLessThanOrEqual(BLOCKS);
  // A part of the map says the same as the whole.
  for (const run of runs.slice(0, 5)) {
    expect(mapRuns(volume, inode, run.logical, run.logical + 1)[0]).toMatchObject({ unwritten: run.unwritten });
  }
}

/** A leaf in block 1 that maps `length` blocks from block 9 on, and a root that names it for each of `starts`. */
function treeOf(length: number, starts: readonly number[]): { bytes: Uint8Array; root: Uint8Array } {
  const bytes = new Uint8Array(BLOCK * BLOCKS);
  extentHeader.encode({ magic: EXTENT_MAGIC, entries: 1, max: 84, depth: 0 }, bytes, BLOCK);
  extent.encode({ block: 0, length, startLo: 9 }, bytes, BLOCK + 12);
  const root = new Uint8Array(60);
  extentHeader.encode({ magic: EXTENT_MAGIC, entries: starts.length, max: 4, depth: 1 }, root);
  for (const [i, block] of starts.entries()) extentIndex.encode({ block, leafLo: 1 }, root, 12 * (i + 1));
  return { bytes, root };
}

describe('block maps', () => {
  test('extent trees', () => {
    fc.assert(fc.property(node(4), fc.array(node(84), { maxLength: 12 }), fc.array(small, { maxLength: 12 }), (root, nodes, places) => {
      const bytes = new Uint8Array(BLOCK * (BLOCKS + 4));
      nodes.forEach((one, i) => { bytes.set(one, (places[i] ?? i + 1) * BLOCK); });
      walkIsSafe(volumeOf(bytes), inodeOf('extents', root));
    }), { numRuns: 3000 });
  });

  test('indirect blocks', () => {
    fc.assert(fc.property(fc.array(small, { minLength: 15, maxLength: 15 }), fc.array(fc.tuple(small, fc.integer({ min: 0, max: 255 }), small), { maxLength: 40 }), (root, pointers) => {
      const bytes = new Uint8Array(BLOCK * (BLOCKS + 4));
      const view = new DataView(bytes.buffer);
      for (const [block, at, pointer] of pointers) view.setUint32(block * BLOCK + at * 4, pointer, true);
      walkIsSafe(volumeOf(bytes), inodeOf('indirect', new Uint8Array(Uint32Array.from(root).buffer)));
    }), { numRuns: 2000 });
  });

  test('a triple indirect block that is made of itself ends in LIMIT_EXCEEDED before it is walked', () => {
    const bytes = new Uint8Array(BLOCK * BLOCKS);
    new Uint32Array(bytes.buffer, BLOCK, BLOCK / 4).fill(1);
    const root = new Uint32Array(15);
    root[14] = 1;
    const volume = volumeOf(bytes);
    let reads = 0;
    const readBlock = volume.readBlock.bind(volume);
    volume.readBlock = (block) => { reads++; return readBlock(block); };
    expect(() => mapRuns(volume, inodeOf('indirect', new Uint8Array(root.buffer)))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    expect(reads).toBeGreaterThan(0);
    expect(reads).toBeLessThan(10_000);
  });

  test('a node that two entries name is refused', () => {
    const { bytes, root } = treeOf(1, [0, 50]);
    expect(() => mapRuns(volumeOf(bytes), inodeOf('extents', root))).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(mapRuns(volumeOf(bytes), inodeOf('extents', root), 0, 10)).toEqual([{ logical: 0, physical: 9, count: 1, unwritten: false }]);
  });

  test('a block of an extent tree is read once for all reads of a file, and again for another inode that names it', () => {
    const { bytes, root } = treeOf(20, [0]);
    let reads = 0;
    const volume = volumeOf(bytes, () => { reads++; });
    const inode = inodeOf('extents', root);
    for (let block = 0; block < 10; block++) expect(mapRuns(volume, inode, block, block + 1)).toEqual([{ logical: 0, physical: 9, count: 20, unwritten: false }]);
    expect(reads).toBe(1);
    mapRuns(volume, { ...inode, number: 13 });
    expect(reads).toBe(2);
  });
});
