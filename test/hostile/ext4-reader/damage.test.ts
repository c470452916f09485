/** Damaged images: whatever bit is wrong and wherever the image ends, the reader gives the right tree or a typed error, soon. */
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { ThawfsError } from '../../../src/errors.js';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { readTree } from '../../../src/ext4/reader/tree.js';
import { walk, type DirectoryNode } from '../../../src/model/tree.js';
import { cPath } from '../../../src/sys/c-path.js';
import { setXattr } from '../../../src/sys/xattr.js';
import { formatDump } from '../../../src/tree/dump.js';
import { makeImage, run } from '../../helpers/ext4-image.js';
import { memoryImage } from '../../helpers/file-image.js';
import { aclValue, noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** Every kind of record in few blocks. No slow symlink: nothing vouches for its target. */
function makeSmallTree(source: string): void {
  mkdirSync(join(source, 'dir/inner'), { recursive: true });
  mkdirSync(join(source, 'indexed'));
  for (let i = 0; i < 60; i++) writeFileSync(join(source, 'indexed', `${'n'.repeat(80)}${i}`), '');
  writeFileSync(join(source, 'tiny'), 'tiny');
  writeFileSync(join(source, 'inline'), noise(100, 1));
  symlinkSync('dir/inner', join(source, 'link'));
  const fd = openSync(join(source, 'fragmented'), 'w');
  for (let i = 0; i < 30; i++) writeSync(fd, noise(1024, i), 0, 1024, i * 4096);
  closeSync(fd);
  setXattr(cPath(fromText(join(source, 'tiny'))), 'user.large', noise(600, 3));
  setXattr(cPath(fromText(join(source, 'dir'))), 'system.posix_acl_default', aclValue([[1, 7], [4, 5], [32, 0]]));
}

async function smallImage(options: string): Promise<Buffer> {
  return withTempDir((temp) => {
    const source = join(temp, 'source');
    mkdirSync(source);
    makeSmallTree(source);
    makeImage(join(temp, 'image'), `${options} -N 128`, source, 1 << 20);
    run('e2fsck', '-fyD', join(temp, 'image'));
    return readFileSync(join(temp, 'image'));
  });
}

/** Reads all that there is, and looks every name up. @returns the tree without contents */
function walkAll(bytes: Uint8Array): string {
  const reader = new Ext4Reader(memoryImage(bytes));
  const root: DirectoryNode = readTree(reader);
  for (const { path, node } of walk(root)) {
    const { inode } = reader.resolve(path, { followSymlinks: false });
    // A damaged size may claim a lot: it is read where a reader would read, at both ends.
    if (node.kind === 'file') for (const offset of [0, inode.size - 5000]) reader.read(inode, Math.max(0, offset), 5000);
    reader.verity(inode);
  }
  return formatDump(root);
}

function typed(body: () => void): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (!(error instanceof ThawfsError)) throw error;
    return false;
  }
}

const LONGEST = 2000; // ms; the sound image takes about 3

describe('damaged images', () => {
  for (const [options, flips] of [
    ['-b 1024 -O ^has_journal', 10_000], ['-b 1024 -O ^has_journal,inline_data', 2000], ['-b 1024 -O ^has_journal,^metadata_csum', 2000],
    ['-b 1024 -O ^has_journal,^extents,^64bit,^metadata_csum', 2000], ['-t ext2 -b 1024 -I 128', 2000],
  ] as const) {
    oracleTest(['mkfs.ext4', 'e2fsck'], `${options}: ${flips} flipped bits`, async () => {
      const bytes = await smallImage(options);
      const sound = walkAll(bytes);
      const vouched = !options.includes('^metadata_csum') && !options.includes('ext2');
      const used = usedBlocks(bytes);
      let state = 20_240_229;
      let refused = 0;
      let slowest = 0;
      for (let i = 0; i < flips; i++) {
        state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
        const at = used[(state >>> 8) % used.length]! * 1024 + (Math.imul(state, 2_654_435_761) >>> 22);
        const mask = 1 << (state >>> 5 & 7);
        bytes[at]! ^= mask;
        const start = performance.now();
        const read = typed(() => {
          const seen = walkAll(bytes);
          if (vouched && seen !== sound) throw new Error(`bit ${mask} of byte ${at}: a wrong tree`);
        });
        if (!read) refused++;
        typed(() => checkStructure(new Ext4Reader(memoryImage(bytes))));
        slowest = Math.max(slowest, performance.now() - start);
        bytes[at]! ^= mask;
      }
      expect(refused).toBeGreaterThan(flips / 100);
      expect(slowest).toBeLessThan(LONGEST);
      expect(walkAll(bytes)).toBe(sound);
    }, 600_000);
  }

  oracleTest(['mkfs.ext4', 'e2fsck'], 'an image that ends early is TRUNCATED, wherever it ends', async () => {
    const bytes = await smallImage('-b 1024 -O ^has_journal');
    for (let size = 0; size < bytes.length; size += 509) {
      expect(() => new Ext4Reader(memoryImage(bytes.subarray(0, size)))).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
    }
    expect(() => new Ext4Reader(memoryImage(bytes.subarray(0, bytes.length - 1)))).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
    expect(() => new Ext4Reader(memoryImage(Buffer.alloc(1 << 20)))).toThrow(expect.objectContaining({ code: 'BAD_MAGIC' }));
  });
});

/** Numbers of the blocks that the block bitmap of group 0 marks: damage elsewhere is never looked at. */
function usedBlocks(bytes: Uint8Array): number[] {
  const { volume } = new Ext4Reader(memoryImage(bytes));
  const bitmap = volume.readBlock(volume.group(0).blockBitmap);
  return Array.from({ length: volume.blockCount - 1 }, (_, i) => i + 1).filter((block) => (bitmap[block - 1 >> 3]! >> (block - 1 & 7) & 1) !== 0);
}
