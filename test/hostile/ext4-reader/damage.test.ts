/** Damaged images: whatever bit is wrong and wherever the image ends, the reader gives the right tree or a typed error, soon. */
import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { ThawfsError } from '../../../src/errors.js';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { inodeFlags } from '../../../src/format/ext4/inode.js';
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
  for (let i = 0; i < 24; i++) writeFileSync(join(source, 'indexed', `${'n'.repeat(80)}${i}`), '');
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

/** A reader that counts in `steps` the blocks and inode records it asks for: what would take long asks for many. */
function countingReader(bytes: Uint8Array, steps: { count: number }): Ext4Reader {
  const reader = new Ext4Reader(memoryImage(bytes));
  const { volume } = reader;
  const [copy, inodeRecord, readInto] = [volume.copy.bind(volume), volume.inodeRecord.bind(volume), volume.readInto.bind(volume)];
  volume.copy = (offset, length) => { steps.count++; return copy(offset, length); };
  volume.inodeRecord = (offset) => { steps.count++; return inodeRecord(offset); };
  volume.readInto = (target, offset) => { steps.count++; readInto(target, offset); };
  return reader;
}

/** Reads all that there is, and looks every name up. @returns the tree without contents */
function walkAll(reader: Ext4Reader): string {
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

/** How many times as many steps as the sound image a damaged one may cost. */
const MOST_STEPS = 4;

describe('damaged images', () => {
  for (const [options, flips] of [
    ['-b 1024 -O ^has_journal', 10_000], ['-b 1024 -O ^has_journal,inline_data', 2000], ['-b 1024 -O ^has_journal,^metadata_csum', 2000],
    ['-b 1024 -O ^has_journal,^extents,^64bit,^metadata_csum', 2000], ['-t ext2 -b 1024 -I 128', 2000],
  ] as const) {
    oracleTest(['mkfs.ext4', 'e2fsck'], `${options}: ${flips} flipped bits`, async () => {
      const bytes = await smallImage(options);
      const steps = { count: 0 };
      const sound = walkAll(countingReader(bytes, steps));
      checkStructure(countingReader(bytes, steps));
      const soundSteps = steps.count;
      const vouched = !options.includes('^metadata_csum') && !options.includes('ext2');
      expect(inodeFlags.has(new Ext4Reader(memoryImage(bytes)).resolve(fromText('indexed')).inode.flags, 'index')).toBe(true);
      const used = usedBlocks(bytes);
      let state = 20_240_229;
      let refused = 0;
      let mostSteps = 0;
      for (let i = 0; i < flips; i++) {
        state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
        const at = used[(state >>> 8) % used.length]! * 1024 + (Math.imul(state, 2_654_435_761) >>> 22);
        const mask = 1 << (state >>> 5 & 7);
        bytes[at]! ^= mask;
        steps.count = 0;
        const read = typed(() => {
          const seen = walkAll(countingReader(bytes, steps));
          if (vouched && seen !== sound) throw new Error(`bit ${mask} of byte ${at}: a wrong tree`);
        });
        if (!read) refused++;
        typed(() => checkStructure(countingReader(bytes, steps)));
        mostSteps = Math.max(mostSteps, steps.count);
        bytes[at]! ^= mask;
      }
      expect(refused).toBeGreaterThan(flips / 100);
      expect(mostSteps).toBeLessThanOrEqual(MOST_STEPS * soundSteps);
      expect(walkAll(new Ext4Reader(memoryImage(bytes)))).toBe(sound);
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
