/** Content into memory that was used before: every byte of the range is the file's, or the zero of a hole, and nothing behind it is touched. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readContent, readContentInto } from '../../../src/ext4/reader/content.js';
import type { Ext4Inode } from '../../../src/ext4/reader/inode.js';
import type { Volume } from '../../../src/ext4/reader/volume.js';
import { extent, extentHeader, EXTENT_MAGIC } from '../../../src/format/ext4/extent.js';

const BLOCK = 1024;
const BLOCKS = 40;
/** Lengths above this are unwritten extents (Documentation/filesystems/ext4/dynamic.rst). */
const UNWRITTEN = 32_768;
const DIRT = 0xdd;

const image = Uint8Array.from({ length: BLOCK * BLOCKS }, (_, i) => 1 + (i * 7 + Math.floor(i / BLOCK)) % 200); // no zero, no dirt
const volume = {
  blockSize: BLOCK, blockCount: BLOCKS, hasMetadataChecksums: false, checkBlocks: () => undefined,
  readInto: (target: Uint8Array, offset: number) => { target.set(image.subarray(offset, offset + target.length)); },
} as unknown as Volume;

/** Up to four extents, ascending, with gaps. */
const extents = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 3 }), count: fc.integer({ min: 1, max: 4 }), physical: fc.integer({ min: 1, max: BLOCKS - 5 }), unwritten: fc.boolean() }), { maxLength: 4 });

test('reading into used memory equals the file', () => {
  fc.assert(fc.property(extents, fc.integer({ min: 0, max: 24 * BLOCK }), fc.integer({ min: 0, max: 24 * BLOCK }), fc.integer({ min: 1, max: 12 * BLOCK }), (list, size, offset, length) => {
    const blockArea = new Uint8Array(60);
    extentHeader.encode({ magic: EXTENT_MAGIC, entries: list.length, max: 4, depth: 0 }, blockArea);
    const file = new Uint8Array(30 * BLOCK);
    let logical = 0;
    list.forEach(({ gap, count, physical, unwritten }, i) => {
      logical += gap;
      extent.encode({ block: logical, length: unwritten ? UNWRITTEN + count : count, startLo: physical }, blockArea, 12 + i * 12);
      if (!unwritten) file.set(image.subarray(physical * BLOCK, (physical + count) * BLOCK), logical * BLOCK);
      logical += count;
    });
    const inode = { number: 12, offset: 0, mapping: 'extents', blockArea, checksumSeed: 0, size } as unknown as Ext4Inode;
    const target = new Uint8Array(length).fill(DIRT);
    const count = readContentInto(volume, inode, offset, target);
    const expected = file.subarray(Math.min(offset, size), Math.min(offset + length, size));
    expect(count).toBe(expected.length);
    expect(Buffer.compare(target.subarray(0, count), expected)).toBe(0);
    expect(target.subarray(count).every((byte) => byte === DIRT)).toBe(true);
    expect(Buffer.compare(readContent(volume, inode, offset, length), expected)).toBe(0);
  }), { numRuns: 500 });
});
