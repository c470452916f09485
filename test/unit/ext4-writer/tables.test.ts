/** The writer puts inodes, entries and extents at fixed offsets; here all of an image is decoded by the tables of src/format/ext4. */
import { describe, expect, test } from '@jest/globals';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { directoryEntry, directoryTail, dxCountLimit, dxNode, dxRoot, fileTypes } from '../../../src/format/ext4/directory.js';
import { extent, extentHeader, extentIndex, EXTENT_MAGIC } from '../../../src/format/ext4/extent.js';
import { groupDescriptor64 } from '../../../src/format/ext4/group-descriptor.js';
import { inode, inodeExtra, inodeFlags } from '../../../src/format/ext4/inode.js';
import { superblock } from '../../../src/format/ext4/superblock.js';
import { inodeChecksumSeed } from '../../../src/ext4/writer/checksum.js';
import { CHECKSUM_SEED } from '../../../src/ext4/writer/parameters.js';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import type { DirectoryNode } from '../../../src/model/tree.js';
import { noise } from '../../helpers/make-tree.js';
import { device, directory, file, sparse } from '../../helpers/nodes.js';
import { readContent } from '../../helpers/tree-model.js';

const BLOCK = 4096;

function imageOf(root: DirectoryNode): Buffer {
  return readContent(layOutExt4(root).image);
}

function inodeAt(image: Buffer, number: number): number {
  const group = groupDescriptor64.decode(image, BLOCK);
  const { inodesPerGroup } = superblock.decode(image, 1024);
  expect(number).toBeLessThanOrEqual(inodesPerGroup);
  return group.inodeTableLo * BLOCK + (number - 1) * 256;
}

/** First block of what an inode with at most four extents maps. */
function firstBlock(image: Buffer, number: number): number {
  return extent.decode(inode.decode(image, inodeAt(image, number)).block, 12).startLo;
}

describe('inodes', () => {
  test('every field is where the table says', () => {
    const image = imageOf(directory({
      f: file(noise(5000, 1), { permissions: 0o4751, uid: 0x12345678, gid: 0x9abcdef0, mtimeSeconds: 2 ** 33 + 7, mtimeNanoseconds: 999_999_999 }),
    }));
    const at = inodeAt(image, 11);
    const core = inode.decode(image, at);
    const extra = inodeExtra.decode(image, at + 128);
    const low = 7;
    expect(core).toMatchObject({
      mode: 0o104751, uidLo: 0x5678, uidHi: 0x1234, gidLo: 0xdef0, gidHi: 0x9abc, sizeLo: 5000, sizeHi: 0, linksCount: 1, blocksLo: 16, blocksHi: 0,
      accessTime: low, changeTime: low, modifyTime: low, deleteTime: 0, flags: inodeFlags.bits.extents, generation: 0, xattrBlockLo: 0, xattrBlockHi: 0,
    });
    const time = 999_999_999 * 4 + 2;
    expect(extra).toMatchObject({ extraSize: 32, accessTimeExtra: time, changeTimeExtra: time, modifyTimeExtra: time, createTime: low, createTimeExtra: time, projectId: 0 });
    const record = image.subarray(at, at + 256);
    record.fill(0, 124, 126).fill(0, 130, 132);
    expect(core.checksumLo + extra.checksumHi * 0x1_0000).toBe(crc32c(inodeChecksumSeed(11), record));
  });

  test('negative seconds keep their epoch bits', () => {
    const image = imageOf(directory({ f: file('', { mtimeSeconds: -1, mtimeNanoseconds: 3 }) }));
    expect(inode.decode(image, inodeAt(image, 11)).modifyTime).toBe(0xffff_ffff);
    expect(inodeExtra.decode(image, inodeAt(image, 11) + 128).modifyTimeExtra).toBe(12);
  });

  test('device numbers: old form below 256, new form above', () => {
    const image = imageOf(directory({ a: device('block-device', 255, 254), b: device('character-device', 0x123, 0x45678) }));
    const words = (number: number): number[] => {
      const { block } = inode.decode(image, inodeAt(image, number));
      return [0, 4].map((at) => Buffer.from(block).readUInt32LE(at));
    };
    expect(words(11)).toEqual([0xfffe, 0]);
    expect(words(12)).toEqual([0, 0x45612378]);
  });

  test('an extent tree below the inode', () => {
    const tree = directory({ f: file(sparse(1 << 20, Object.fromEntries([0, 2, 4, 6, 8].map((block) => [block * BLOCK, noise(100, block)])))) });
    const image = imageOf(tree);
    const { block, blocksLo } = inode.decode(image, inodeAt(image, 11));
    expect(blocksLo).toBe(6 * 8);
    expect(extentHeader.decode(block)).toEqual({ magic: EXTENT_MAGIC, entries: 1, max: 4, depth: 1, generation: 0 });
    const index = extentIndex.decode(block, 12);
    expect(index).toEqual({ block: 0, leafLo: index.leafLo, leafHi: 0, unused: 0 });
    const leaf = image.subarray(index.leafLo * BLOCK, (index.leafLo + 1) * BLOCK);
    expect(extentHeader.decode(leaf)).toEqual({ magic: EXTENT_MAGIC, entries: 5, max: 340, depth: 0, generation: 0 });
    const first = extent.decode(leaf, 12).startLo;
    expect([0, 1, 2, 3, 4].map((i) => extent.decode(leaf, 12 + 12 * i))).toEqual([0, 1, 2, 3, 4].map((i) => ({ block: 2 * i, length: 1, startHi: 0, startLo: first + i })));
    expect(Buffer.from(leaf).readUInt32LE(4092)).toBe(crc32c(inodeChecksumSeed(11), leaf, 0, 4092));
  });
});

describe('directories', () => {
  test('a linear block', () => {
    const image = imageOf(directory({ b: file(), 'name': directory() }));
    const at = firstBlock(image, 2) * BLOCK;
    const entry = (offset: number): unknown => [directoryEntry.decode(image, at + offset), image.toString('latin1', at + offset + 8, at + offset + 8 + image[at + offset + 6]!)];
    expect(entry(0)).toEqual([{ inode: 2, recordLength: 12, nameLength: 1, fileType: fileTypes.directory }, '.']);
    expect(entry(12)).toEqual([{ inode: 2, recordLength: 12, nameLength: 2, fileType: fileTypes.directory }, '..']);
    expect(entry(24)).toEqual([{ inode: 11, recordLength: 12, nameLength: 1, fileType: fileTypes.file }, 'b']);
    expect(entry(36)).toEqual([{ inode: 12, recordLength: 4084 - 36, nameLength: 4, fileType: fileTypes.directory }, 'name']);
    expect(directoryTail.decode(image, at + 4084)).toEqual({
      reservedZero1: 0, recordLength: 12, reservedZero2: 0, fileType: 0xde, checksum: crc32c(inodeChecksumSeed(2), image, at, at + 4084),
    });
  });

  test('root and nodes of a hash tree', () => {
    // 510 full leaves and one more: a second level. One inode under many names keeps the rest small.
    const node = file();
    const image = imageOf(directory(Array.from({ length: 15 * 511 }, (_, i) => [`${'n'.repeat(250)}${String(i).padStart(5, '0')}`, node] as const)));
    const extents = inode.decode(image, inodeAt(image, 2));
    expect(inodeFlags.has(extents.flags, 'index')).toBe(true);
    const at = firstBlock(image, 2) * BLOCK;
    expect(dxRoot.decode(image, at)).toMatchObject({ dotInode: 2, dotDotInode: 2, dotDotRecordLength: 4084, hashVersion: 1, infoLength: 8, indirectLevels: 1 });
    expect(dxCountLimit.decode(image, at + 32)).toEqual({ limit: 507, count: 2 });
    expect(dxNode.decode(image, at + BLOCK)).toEqual({ inode: 0, recordLength: BLOCK, nameLength: 0, fileType: 0 });
    expect(dxCountLimit.decode(image, at + BLOCK + 8)).toEqual({ limit: 510, count: 510 });
    expect(dxCountLimit.decode(image, at + 2 * BLOCK + 8)).toEqual({ limit: 510, count: 1 });
    expect(image.readUInt32LE(at + BLOCK + 12)).toBe(3); // the first leaf comes after the nodes
  });
});

describe('superblock', () => {
  test('holds no time, and its own checksum', () => {
    const image = imageOf(directory());
    const decoded = superblock.decode(image, 1024);
    expect([decoded.makeTime, decoded.writeTime, decoded.mountTime, decoded.lastCheck, decoded.mountCount, decoded.checkInterval]).toEqual([0, 0, 0, 0, 0, 0]);
    expect(decoded.checksum).toBe(crc32c(0xffff_ffff, image, 1024, 1024 + 1020));
    expect(decoded.checksumSeed).toBe(CHECKSUM_SEED);
    expect(decoded).toMatchObject({ inodesCount: 16, freeInodesCount: 6, blocksCountLo: 6, freeBlocksCountLo: 0, firstInode: 11, inodeSize: 256, descriptorSize: 64 });
  });
});
