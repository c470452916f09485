/** The structure check finds what debugfs breaks: e2fsck names them too, but for counts that the kernel makes anew when it mounts. */
import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import type { RandomAccess } from '../../../src/bytes/random-access.js';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { hasCode } from '../../../src/errors.js';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { mapRuns } from '../../../src/ext4/reader/mapping.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { cPath } from '../../../src/sys/c-path.js';
import { setXattr } from '../../../src/sys/xattr.js';
import { makeImage, run } from '../../helpers/ext4-image.js';
import { memoryImage, withFileImage } from '../../helpers/file-image.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

/** What is broken, by debugfs commands, and how the check names it. */
const faults: Readonly<Record<string, { readonly commands: readonly string[]; readonly message: RegExp; readonly toleratedByE2fsck?: boolean }>> = {
  'link count too high': { commands: ['sif file links_count 2'], message: /links, its count is 2/ },
  'link count of a directory': { commands: ['sif dir links_count 9'], message: /links, its count is 9/ },
  'name without an inode': { commands: ['clri file'], message: /no links|which is free/ },
  'inode without a name': { commands: ['unlink file'], message: /no directory names it|links, its count/ },
  'inode bit cleared': { commands: ['freei <12>'], message: /inode bitmap/ },
  'free inode marked': { commands: ['seti <600>'], message: /marked in the inode bitmap|counted as never used/ },
  'used block marked free': { commands: ['freeb 700 300'], message: /marked free/ },
  'free block marked used': { commands: ['setb 5000'], message: /nothing uses it/ },
  'two files share a block': { commands: ['sif file block[5] 600', 'sif other block[5] 600'], message: /used twice/ },
  'block beyond the device': { commands: ['sif file block[5] 99999999'], message: /the device has blocks/ },
  'extent magic': { commands: ['sif file block[0] 0'], message: /extent header magic/ },
  'size of a directory': { commands: ['sif dir size 100'], message: /not a multiple of the block size/ },
  'directory longer than its blocks': { commands: ['sif dir size 8192'], message: /has a hole/ },
  'type against its name': { commands: ['sif file mode 0120644'], message: /./ },
  'blocks count of an inode': { commands: ['sif file blocks 2'], message: /\(of 512 bytes\)/ },
  'free blocks of the superblock': { commands: ['ssv free_blocks_count 1'], message: /free blocks is 1/, toleratedByE2fsck: true },
  'free inodes of the superblock': { commands: ['ssv free_inodes_count 1'], message: /free inodes is 1/, toleratedByE2fsck: true },
  'free blocks of a group': { commands: ['set_bg 0 free_blocks_count 7', 'set_bg 0 checksum calc'], message: /free blocks is 7/ },
  'directories of a group': { commands: ['set_bg 0 used_dirs_count 7', 'set_bg 0 checksum calc'], message: /directories is 7/ },
  'second name for a directory': { commands: ['link dir dir/again'], message: /two names|links, its count/ },
};

/** Records with a checksum, each by a byte inside it, all of which are in the image that `fill` makes. */
function checksummed(reader: Ext4Reader): Readonly<Record<string, number>> {
  const { volume } = reader;
  const group = volume.group(0);
  const block = (number: number): number => number * volume.blockSize;
    const extentBlock = new DataView(reader.resolve('/fragmented').inode.blockArea.slice().buffer).getUint32(16, true); // ei_leaf_lo of entry 0
  return {
    'superblock': 1024 + 136,
    'descriptor': group.place.offset + 12,
    'block bitmap': block(group.blockBitmap) + 1000,
    'inode bitmap': block(group.inodeBitmap) + 100,
    'inode': volume.inodeOffset(reader.resolve('/file').number) + 8,
    'directory block': block(mapRuns(volume, reader.resolve('/dir').inode)[0]!.physical) + 2000,
    'index root': block(mapRuns(volume, reader.resolve('/many').inode)[0]!.physical) + 40,
    'extent block': block(extentBlock) + 24,
    'xattr block': block(reader.resolve('/file').inode.xattrBlock) + 2000,
  };
}

function fill(source: string): void {
  mkdirSync(join(source, 'dir/inner'), { recursive: true });
  mkdirSync(join(source, 'many'));
  for (let i = 0; i < 200; i++) writeFileSync(join(source, 'many', `${'n'.repeat(60)}${i}`), '');
  writeFileSync(join(source, 'file'), noise(20_000, 1));
  writeFileSync(join(source, 'other'), noise(20_000, 2));
  setXattr(cPath(fromText(join(source, 'file'))), 'user.large', noise(1000, 3));
  symlinkSync('file', join(source, 'link'));
  run('mkfifo', join(source, 'pipe'));
  const fd = openSync(join(source, 'fragmented'), 'w');
  for (let i = 0; i < 20; i++) writeSync(fd, noise(4096, i), 0, 4096, i * 8192);
  closeSync(fd);
}

function faultOf(image: RandomAccess): unknown {
  try {
    return checkStructure(new Ext4Reader(image));
  } catch (error) {
    return error;
  }
}

describe('checkStructure', () => {
  oracleTest(['mkfs.ext4', 'debugfs', 'e2fsck'], 'names every fault that debugfs can make', () => withTempDir((temp) => {
    const [source, sound, broken] = [join(temp, 'source'), join(temp, 'sound'), join(temp, 'broken')];
    mkdirSync(source);
    fill(source);
    makeImage(sound, '-b 4096 -N 1024', source, 32 << 20);
    run('e2fsck', '-fyD', sound); // -D makes the hash tree that mkfs -d leaves out
    expect(withFileImage(sound, faultOf)).toMatchObject({ directories: 5, names: 209 });

    const wrong: string[] = [];
    for (const [fault, { commands, message, toleratedByE2fsck = false }] of Object.entries(faults)) {
      copyFileSync(sound, broken);
      for (const command of commands) run('debugfs', '-w', '-R', command, broken);
      if ((spawnSync('e2fsck', ['-fn', broken]).status === 0) !== toleratedByE2fsck) wrong.push(`${fault}: e2fsck does not see it as told`);
      const caught = withFileImage(broken, faultOf);
      if (!hasCode(caught, 'STRUCTURE_INVALID') || !message.test(caught.message)) wrong.push(`${fault}: ${String(caught)}`);
    }
    expect(wrong).toEqual([]);
  }));

  oracleTest(['mkfs.ext4', 'e2fsck'], 'a flipped bit in any record that has a checksum', () => withTempDir((temp) => {
    const [source, image] = [join(temp, 'source'), join(temp, 'image')];
    mkdirSync(source);
    fill(source);
    makeImage(image, '-b 4096 -N 1024', source, 32 << 20);
    run('e2fsck', '-fyD', image);
    const bytes = readFileSync(image);
    const verdicts: [string, unknown][] = [];
    for (const [record, offset] of Object.entries(checksummed(new Ext4Reader(memoryImage(bytes))))) {
      bytes[offset]! ^= 1;
      const caught = faultOf(memoryImage(bytes));
      // The superblock is refused before there is a structure to check.
      verdicts.push([record, hasCode(caught) ? caught.detail['reason'] ?? caught.code : caught]);
      bytes[offset]! ^= 1;
    }
    expect(verdicts).toEqual(verdicts.map(([record]) => [record, 'CHECKSUM_MISMATCH']));
    expect(() => checkStructure(new Ext4Reader(memoryImage(bytes)))).not.toThrow();
  }));

  oracleTest(['mkfs.ext4', 'e2fsck'], 'what only e2fsck and who writes look at: hashes of xattrs, the journal, flags; reading goes on', () => withTempDir((temp) => {
    const [source, image] = [join(temp, 'source'), join(temp, 'image')];
    mkdirSync(source);
    fill(source);
    setXattr(cPath(fromText(join(source, 'other'))), 'user.small', noise(5, 4));
    setXattr(cPath(fromText(join(source, 'other'))), 'user.\xc3\xa4', noise(6, 5));
    makeImage(image, '-b 4096 -N 1024 -O ^metadata_csum,^uninit_bg,^inline_data', source, 32 << 20);
    const bytes = readFileSync(image);
    const reader = new Ext4Reader(memoryImage(Buffer.from(bytes)));
    const { volume } = reader;
    const place = (path: string): number => volume.inodeOffset(reader.resolve(path).number);
    const journal = mapRuns(volume, reader.inode(8))[0]!.physical * volume.blockSize;
    const word = (offset: number, value: number) => (target: Buffer): void => { target.writeUInt32BE(value, journal + offset); };
    const flip = (offset: number, bit = 1) => (target: Buffer): void => { target[offset]! ^= bit; };
    const summed = (checksum: (right: number) => number, type = 4) => (target: Buffer): void => {
      word(40, 0x10)(target); // checksum v3
      target[journal + 80] = type;
      word(252, 0)(target);
      word(252, checksum(crc32c(0xffff_ffff, target.subarray(journal, journal + 1024))))(target);
    };
    const changes: Readonly<Record<string, readonly [(target: Buffer) => void, boolean]>> = {
      'nothing': [() => undefined, true],
      'hash in a block': [flip(reader.resolve('/file').inode.xattrBlock * 4096 + 32 + 12), false],
      'hash in an inode': [flip(place('/other') + 128 + 32 + 4 + 12), false],
      'no hash in an inode': [(target) => { target.writeUInt32LE(0, place('/other') + 128 + 32 + 4 + 12); }, true],
      'inline data': [flip(place('/file') + 32 + 3, 0x10), false],
      'inline data of a symlink': [flip(place('/link') + 32 + 3, 0x10), false],
      'inline data of a device': [flip(place('/pipe') + 32 + 3, 0x10), false],
      'journal: magic': [word(0, 1), false],
      'journal: block type': [word(4, 5), false],
      'journal: block size': [word(12, 1024), false],
      'journal: length': [word(16, 100_000), false],
      'journal: not empty, where nothing says that it is to be replayed': [word(28, 1), true],
      'journal: feature': [word(40, 0x8000), false],
      'journal: a checksum that is right': [summed((right) => right), true],
      'journal: a checksum that is wrong': [summed((right) => (right ^ 1) >>> 0), false],
      'journal: checksum type': [summed((right) => right, 1), false],
    };
    const wrong: string[] = [];
    for (const [name, [change, sound]] of Object.entries(changes)) {
      const changed = Buffer.from(bytes);
      change(changed);
      writeFileSync(image, changed);
      if ((spawnSync('e2fsck', ['-fn', image]).status === 0) !== sound) wrong.push(`${name}: e2fsck does not see it as told`);
      const verdict = faultOf(memoryImage(changed));
      if (hasCode(verdict, 'STRUCTURE_INVALID') === sound) wrong.push(`${name}: ${String(verdict)}`);
      if (/hash|journal/.test(name)) expect(new Ext4Reader(memoryImage(changed)).xattrs(reader.resolve('/other').inode)).toHaveLength(2);
    }
    expect(wrong).toEqual([]);
  }), 180_000);
});
