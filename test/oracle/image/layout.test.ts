/** Metadata lies together: what find and stat read of a mounted image is little more than its inode tables and directories. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { expect } from '@jest/globals';
import { cPath } from '../../../src/sys/c-path.js';
import { setXattr } from '../../../src/sys/xattr.js';
import { debugfs } from '../../helpers/ext4-judges.js';
import { withBuilt } from '../../helpers/image-judges.js';
import { noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });

/** 5,000 files of 0 to 40 KB in 300 directories, three levels deep; every tenth has an attribute too large for its inode. */
function makeServerLike(root: string): void {
  for (let i = 0; i < 5000; i++) {
    const folder = `${root}/part-${i % 6}/section-${i % 30}/directory-${i % 300}`;
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/file-number-${i}.data`, noise(i * 7919 % 40_000, i + 1));
    if (i % 10 === 0) setXattr(cPath(`${folder}/file-number-${i}.data`), 'user.large', Buffer.from('x'.repeat(300 + i % 7)));
  }
}

/** @returns bytes that a block device was ever asked for (Documentation/block/stat.rst, field 3). */
function bytesRead(device: string): number {
  return Number(readFileSync(`/sys/block/${basename(device)}/stat`, 'utf8').trim().split(/\s+/)[2]) * 512;
}

oracleTest(['loop', 'zstd', 'debugfs', 'find', 'blockdev', 'linux'], 'find and stat of everything read at most 1.5 times the inode tables and directories', () => withTempDir(async (directory) => {
  const tree = `${directory}/tree`;
  mkdirSync(tree);
  makeServerLike(tree);
  await withBuilt({ source: tree }, ({ raw }) => {
    const mountPoint = `${directory}/mnt`;
    mkdirSync(mountPoint);
    const device = run('losetup', '--find', '--show', '--read-only', raw).trim();
    try {
      const before = bytesRead(device);
      run('blockdev', '--setra', '0', device);
      run('mount', '-o', 'ro', '-t', 'ext4', device, mountPoint);
      try {
        const seen = run('find', mountPoint, '-printf', '%y %s %T@ %n\n').trim().split('\n');
        const read = bytesRead(device) - before; // mounting too
        expect(seen.length).toBeGreaterThan(5300);
        const inodes = Number(/^Inode count: +(\d+)$/m.exec(debugfs(raw, 'show_super_stats -h'))![1]) * 256;
        const directories = seen.filter((line) => line.startsWith('d')).reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
        expect(read).toBeGreaterThan(directories);
        expect(read / (inodes + directories)).toBeLessThan(1.5);
        expect(inodes).toBeLessThan(1.1 * 256 * seen.length); // or the measure itself would be too large
      } finally {
        run('umount', mountPoint);
      }
    } finally {
      run('losetup', '-d', device);
    }
  });
}));
