/** Arithmetic of the layout over all sizes: groups, and runs of blocks. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hasCode } from '../../../src/errors.js';
import { blockRuns, countBlocks, mapFrom, placePieces } from '../../../src/ext4/writer/block-runs.js';
import { planGeometry, type Geometry } from '../../../src/ext4/writer/geometry.js';
import type { Content } from '../../../src/model/content.js';

const needs = fc.record({ inodes: fc.oneof(fc.integer({ min: 10, max: 100 }), fc.integer({ min: 10, max: 20_000_000 })), bodyBlocks: fc.oneof(fc.integer({ min: 1, max: 50_000 }), fc.integer({ min: 1, max: 300_000_000 })) });

function check(geometry: Geometry, { inodes, bodyBlocks }: { inodes: number; bodyBlocks: number }): void {
  const { blocks, groups, blocksPerGroup, inodesPerGroup, usedBlocks } = geometry;
  expect(blocksPerGroup % 8).toBe(0);
  expect(blocksPerGroup).toBeGreaterThanOrEqual(256);
  expect(blocksPerGroup).toBeLessThanOrEqual(32_768);
  expect(groups).toBe(Math.ceil(blocks / blocksPerGroup));
  expect(inodesPerGroup % 16).toBe(0);
  expect(inodesPerGroup).toBeLessThanOrEqual(32_768);
  expect(groups * inodesPerGroup).toBeGreaterThanOrEqual(inodes);
  expect(usedBlocks).toBeLessThanOrEqual(blocks);
  expect(usedBlocks).toBe(geometry.body + bodyBlocks);
  // The four metadata areas in a row, and superblock with descriptors inside group 0.
  expect(geometry.inodeBitmaps).toBe(geometry.blockBitmaps + groups);
  expect(geometry.inodeTables).toBe(geometry.inodeBitmaps + groups);
  expect(geometry.body).toBe(geometry.inodeTables + groups * inodesPerGroup / 16);
  expect(geometry.blockBitmaps).toBe(1 + Math.ceil(groups / 64));
  expect(geometry.blockBitmaps).toBeLessThanOrEqual(blocksPerGroup);
}

describe('geometry', () => {
  test('without a size: every group is needed, little is left over', () => {
    fc.assert(fc.property(needs, (given) => {
      const geometry = planGeometry(given, undefined, 0);
      check(geometry, given);
      expect(geometry.blocks - geometry.usedBlocks).toBeLessThanOrEqual(geometry.groups);
    }), { numRuns: 1000 });
  });

  test('with free space: that much is free', () => {
    fc.assert(fc.property(needs, fc.nat(2 ** 36), (given, free) => {
      const geometry = planGeometry(given, undefined, free);
      check(geometry, given);
      expect((geometry.blocks - geometry.usedBlocks) * 4096).toBeGreaterThanOrEqual(free);
    }), { numRuns: 1000 });
  });

  test('with a size: that size, but for a tail too small to be a group; refused exactly when below the smallest', () => {
    fc.assert(fc.property(needs, fc.integer({ min: -5, max: 5 }), fc.oneof(fc.constant(0), fc.nat(1_000_000)), (given, near, more) => {
      const smallest = planGeometry(given, undefined, 0).blocks;
      const size = Math.max(0, smallest + near + more) * 4096;
      try {
        const geometry = planGeometry(given, size, 0);
        check(geometry, given);
        expect(size).toBeGreaterThanOrEqual(smallest * 4096);
        expect(geometry.blocks * 4096).toBeLessThanOrEqual(size);
        // At most what one more group takes for itself.
        expect(size / 4096 - geometry.blocks).toBeLessThanOrEqual(3 + geometry.groups + 1);
      } catch (error) {
        if (!hasCode(error, 'LIMIT_EXCEEDED')) throw error;
        expect(size).toBeLessThan(smallest * 4096);
        expect(error.detail['needed']).toBe(smallest * 4096);
      }
    }), { numRuns: 1000 });
  });
});

/** Gaps and lengths in turn. */
const contents = fc.array(fc.tuple(fc.oneof(fc.nat(10), fc.nat(20_000)), fc.oneof(fc.nat(10), fc.nat(20_000))), { maxLength: 20 }).map((steps): Content => {
  let at = 0;
  const source = new Uint8Array(20_000);
  const pieces = steps.map(([gap, length]) => {
    const offset = at + gap;
    at = offset + length;
    return { offset, length, source, sourceOffset: 0 };
  });
  return { size: at, pieces };
});

describe('block runs', () => {
  test('cover exactly the blocks that pieces touch, and pieces are moved with their blocks', () => {
    fc.assert(fc.property(contents, (content) => {
      const touched = new Set<number>();
      for (const { offset, length } of content.pieces) {
        for (let at = offset; at < offset + length; at++) touched.add(Math.floor(at / 4096));
      }
      const runs = blockRuns(content);
      const blocks = runs.flatMap(({ logical, count }) => Array.from({ length: count }, (_, i) => logical + i));
      expect(blocks).toEqual([...touched].sort((a, b) => a - b));
      expect(countBlocks(runs)).toBe(touched.size);
      runs.slice(1).forEach((run, i) => { expect(run.logical).toBeGreaterThan(runs[i]!.logical + runs[i]!.count); });

      const start = 1000 * 4096;
      const expected = [...content.pieces].filter(({ length }) => length > 0)
        .map(({ offset }) => start + blocks.indexOf(Math.floor(offset / 4096)) * 4096 + offset % 4096);
      expect([...placePieces(content.pieces, mapFrom(runs, 1000))].map(({ offset }) => offset)).toEqual(expected);
    }), { numRuns: 500 });
  });
});
