/** The small parts of the reader, each against its specification. */
import { describe, expect, test } from '@jest/globals';
import { crc16 } from '../../../src/bytes/crc16.js';
import { ChunkMissing } from '../../../src/bytes/random-access.js';
import { decodeAcl } from '../../../src/ext4/reader/acl.js';
import { countBits, hasBit, setBits } from '../../../src/ext4/reader/block-use.js';
import { decodeInode } from '../../../src/ext4/reader/inode.js';
import { GroupLayout } from '../../../src/ext4/reader/layout.js';
import { LruCache } from '../../../src/bytes/lru-cache.js';
import type { Volume } from '../../../src/ext4/reader/volume.js';
import { compat, incompat, roCompat } from '../../../src/format/ext4/features.js';
import { inode as core, inodeExtra, inodeFlags } from '../../../src/format/ext4/inode.js';
import { superblock } from '../../../src/format/ext4/superblock.js';
import { aclValue } from '../../helpers/make-tree.js';

test('crc16: the check value of CRC-16/MODBUS, and sums that chain', () => {
  const bytes = Buffer.from('123456789');
  expect(crc16(0xffff, bytes)).toBe(0x4b37);
  expect(crc16(crc16(0xffff, bytes, 0, 4), bytes, 4)).toBe(0x4b37);
});

describe('bits', () => {
  test('are set once, and a second time tells which', () => {
    const bits = new Uint8Array(8);
    expect(setBits(bits, 3, 29)).toBeUndefined();
    expect(Array.from({ length: 64 }, (_, i) => i).filter((i) => hasBit(bits, i))).toEqual(Array.from({ length: 26 }, (_, i) => i + 3));
    expect(countBits(bits)).toBe(26);
    expect(setBits(bits, 0, 3)).toBeUndefined();
    expect(setBits(bits, 29, 64)).toBeUndefined();
    expect(countBits(bits)).toBe(64);
    expect(setBits(bits, 17, 18)).toBe(17);
  });

  test('the first clash is told', () => {
    const bits = new Uint8Array(4);
    setBits(bits, 13, 14);
    setBits(bits, 20, 21);
    expect(setBits(bits, 0, 32)).toBe(13);
  });
});

describe('LruCache', () => {
  test('forgets what was used longest ago', () => {
    const made: number[] = [];
    const cache = new LruCache<number, string>(2);
    const get = (key: number): string => cache.get(key, () => { made.push(key); return `${key}`; });
    for (const key of [1, 2, 1, 3, 1, 2]) get(key);
    expect(made).toEqual([1, 2, 3, 2]);
  });

  test('does not remember a failure', () => {
    const cache = new LruCache<number, string>(2);
    expect(() => cache.get(1, () => { throw new ChunkMissing([7]); })).toThrow(ChunkMissing);
    expect(cache.get(1, () => 'here')).toBe('here');
  });
});

describe('ACLs', () => {
  test('disk form to user form', () => {
    const disk = Buffer.from('01000000' + '01000600' + '02000400e8030000' + '04000400' + '08000600d0070000' + '10000600' + '20000400', 'hex');
    expect(Buffer.from(decodeAcl(disk, { record: 'x', offset: 0 }))).toEqual(aclValue([[1, 6], [2, 4, 1000], [4, 4], [8, 6, 2000], [16, 6], [32, 4]]));
  });

  test.each(['', '02000000', '0100000001', '0100000002000400', '0100000003000400'])('%s is refused', (hex) => {
    expect(() => decodeAcl(Buffer.from(hex, 'hex'), { record: 'x', offset: 0 })).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });
});

describe('decodeInode', () => {
  const volume = {
    inodeSize: 256, blockSize: 4096, hasMetadataChecksums: false, hasLargeDirectories: false, has64Bit: true, hasHugeFiles: true, hasExtents: true, hasInlineData: true,
  } as unknown as Volume;

  const record = (values: Parameters<typeof core.encode>[0], extra: Parameters<typeof inodeExtra.encode>[0] = {}): Uint8Array => {
    const bytes = new Uint8Array(256);
    core.encode(values, bytes);
    return inodeExtra.encode({ extraSize: 32, ...extra }, bytes, core.size);
  };

  test('reads the same fields as the declared table', () => {
    const area = Uint8Array.from({ length: 60 }, (_, i) => i);
    const inode = decodeInode(volume, 12, record({
      mode: 0o104755, uidLo: 0x1234, uidHi: 0xabcd, gidLo: 7, gidHi: 0xffff, sizeLo: 0x8000_0001, sizeHi: 5, linksCount: 3, blocksLo: 99, blocksHi: 2,
      flags: inodeFlags.of('extents'), versionLo: 77, generation: 88, xattrBlockLo: 1000, xattrBlockHi: 1, block: area,
      accessTime: 1, changeTime: 2, modifyTime: 0xffff_fffe,
    }, { accessTimeExtra: 4 << 2, changeTimeExtra: 1 | 5 << 2, modifyTimeExtra: 999_999_999 * 4 }), 5000);
    expect(inode).toMatchObject({
      number: 12, offset: 5000, kind: 'file', permissions: 0o4755, uid: 0xabcd1234, gid: 0xffff0007, size: 5 * 2 ** 32 + 0x8000_0001, links: 3,
      sectors: 99 + 2 * 2 ** 32, version: 77, generation: 88, xattrBlock: 1000 + 2 ** 32, mapping: 'extents',
      accessTime: { seconds: 1, nanoseconds: 4 }, changeTime: { seconds: 2 + 2 ** 32, nanoseconds: 5 }, modifyTime: { seconds: -2, nanoseconds: 999_999_999 },
    });
    expect(inode?.blockArea).toEqual(area);
    expect(inode?.xattrArea.length).toBe(256 - 128 - 32);
  });

  test('device numbers in both forms', () => {
    const device = (words: number[]): object => decodeInode(volume, 12, record({ mode: 0o020600, linksCount: 1, block: new Uint8Array(Uint32Array.from(words).buffer) }), 0)!;
    expect(device([0x0801, 0])).toMatchObject({ kind: 'character-device', major: 8, minor: 1 });
    expect(device([0, 300 << 8 | 70_000 % 256 | Math.floor(70_000 / 256) << 20])).toMatchObject({ major: 300, minor: 70_000 });
  });

  test('a free record is none, foreign flags and impossible values are refused', () => {
    expect(decodeInode(volume, 12, record({ mode: 0o100644 }), 0)).toBeUndefined();
    const bad = (values: Parameters<typeof record>[0], extra?: Parameters<typeof record>[1]) => () => decodeInode(volume, 12, record({ mode: 0o100644, linksCount: 1, ...values }, extra), 0);
    expect(bad({ mode: 0o170644 })).toThrow(expect.objectContaining({ code: 'BAD_FIELD', detail: { record: 'inode 12', field: 'mode', offset: 0 } }));
    expect(bad({ sizeHi: 0x80_0000 })).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(bad({}, { modifyTimeExtra: 0xffff_ffff })).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(bad({}, { extraSize: 200 })).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    for (const flag of ['encrypt', 'casefold', 'compressedBlocks'] as const) {
      expect(bad({ flags: inodeFlags.of(flag) })).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED', detail: { feature: flag } }));
    }
  });
});

describe('GroupLayout', () => {
  const layout = (values: object): GroupLayout => new GroupLayout({
    ...superblock.decode(new Uint8Array(1024)), blocksPerGroup: 32_768, inodesPerGroup: 8192, ...values,
  }, 4096, 32_768 * 700, 256, 64);
  const withCopy = (groups: GroupLayout): number[] => Array.from({ length: 130 }, (_, i) => i).filter((group) => groups.hasSuperblock(group));

  test('superblock copies', () => {
    expect(withCopy(layout({ featureRoCompat: roCompat.of('sparse_super') }))).toEqual([0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    expect(withCopy(layout({ featureCompat: compat.of('sparse_super2'), backupGroups: [1, 99] }))).toEqual([0, 1, 99]);
    expect(withCopy(layout({}))).toHaveLength(130);
  });

  test('descriptors in a row, or each block in its meta group', () => {
    const plain = layout({ featureRoCompat: roCompat.of('sparse_super'), reservedGdtBlocks: 100 });
    expect(plain.descriptorOffset(65)).toBe(2 * 4096 + 64);
    expect(plain.copies(3)).toEqual([[3 * 32_768, 1], [3 * 32_768 + 1, 11 + 100]]);
    expect(plain.copies(2)).toEqual([]);
    const meta = layout({ featureRoCompat: roCompat.of('sparse_super'), featureIncompat: incompat.of('meta_bg') });
    expect(meta.descriptorOffset(0)).toBe(4096);
    expect(meta.descriptorOffset(65)).toBe(64 * 32_768 * 4096 + 64);
    expect(meta.copies(64)).toEqual([[64 * 32_768, 1]]);
    expect(meta.copies(66)).toEqual([]);
    expect(meta.copies(127)).toEqual([[127 * 32_768, 1]]);
    expect(meta.copies(81)).toEqual([[81 * 32_768, 1]]);
  });
});
