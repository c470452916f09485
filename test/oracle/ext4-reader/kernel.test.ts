/** Our reader against images that the Linux kernel wrote: all attributes, hash trees, unwritten extents, xattrs in every place. */
import { createHash } from 'node:crypto';
import { mkdirSync, openSync, writeSync, closeSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { checkStructure } from '../../../src/ext4/reader/check.js';
import { Ext4Reader } from '../../../src/ext4/reader/reader.js';
import { readTree } from '../../../src/ext4/reader/tree.js';
import type { DirectoryNode } from '../../../src/model/tree.js';
import { setXattr } from '../../../src/sys/xattr.js';
import { cPath } from '../../../src/sys/c-path.js';
import { formatDump } from '../../../src/tree/dump.js';
import { scanDirectory } from '../../../src/tree/from-directory.js';
import { makeImage, run } from '../../helpers/ext4-image.js';
import { withFileImage } from '../../helpers/file-image.js';
import { makeTree, noise } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readContent } from '../../helpers/tree-model.js';

function dumpOf(root: DirectoryNode): string[] {
  return formatDump(root, (file) => createHash('sha256').update(readContent(file.content)).digest('hex')).split('\n');
}

/** What the kernel does with the mounted image, and what our scanner sees of it there. */
function withMounted(image: string, mountPoint: string, fill: () => void): string[] {
  mkdirSync(mountPoint);
  run('mount', '-o', 'loop,user_xattr,acl', image, mountPoint);
  try {
    fill();
    // Linux 6.18 does not find data by SEEK_DATA that waits in memory for its blocks, in files with indirect blocks.
    run('sync', '-f', mountPoint);
    return dumpOf(scanDirectory(mountPoint).root);
  } finally {
    // Other suites make mount namespaces, which are copies with this mount in them: until they end it stays mounted there. Read-only, its journal is empty all the same.
    run('mount', '-o', 'remount,ro', mountPoint);
    run('umount', mountPoint);
  }
}

const names = Array.from({ length: 6_000 }, (_, i) => `a name of some length, number ${i}`);

describe('images written by the kernel', () => {
  for (const options of ['-b 4096', '-b 1024', '-b 1024 -O large_dir', '-b 1024 -O ^extents,^64bit', '-b 4096 -O inline_data', '-b 4096 -O ea_inode', '-b 4096 -t ext2', '-b 4096 -t ext3', '-b 4096 -O ^metadata_csum']) {
    oracleTest(['root', 'loop', 'mkfs.ext4', 'e2fsck', 'fallocate'], `${options}: everything is as it was mounted`, () => withTempDir((temp) => {
      const [image, at] = [join(temp, 'image'), join(temp, 'mounted')];
      makeImage(image, `${options} -N 20000`, undefined, 192 << 20);
      const seen = withMounted(image, at, () => {
        copyTree(at, options);
        mkdirSync(join(at, 'indexed'));
        for (const name of names) writeFileSync(join(at, 'indexed', name), '');
        for (const name of names.slice(0, 4500)) if (name.endsWith('7')) unlinkSync(join(at, 'indexed', name));
        makeFragmented(join(at, 'fragmented'));
        if (!/ext[23]|\^extents/.test(options)) run('fallocate', '-l', '3M', join(at, 'unwritten'));
        if (options.includes('ea_inode')) for (const name of ['one', 'two']) setXattr(cPath(fromText(join(at, 'fragmented'))), `user.${name}`, noise(20_000, 5));
      });
      run('e2fsck', '-fn', image);
      withFileImage(image, (access) => {
        const reader = new Ext4Reader(access);
        expect(dumpOf(readTree(reader))).toEqual(seen);
        checkStructure(reader);
        const directory = reader.resolve('/indexed').number;
        const wanted = new Set(names.filter((name, i) => i >= 4500 || !name.endsWith('7')));
        for (const name of names) expect(reader.lookup(directory, name)?.name).toBe(wanted.has(name) ? name : undefined);
        expect(reader.list(directory).length).toBe(wanted.size);
      });
    }));
  }

  oracleTest(['root', 'loop', 'mkfs.ext4'], 'an image whose journal holds changes is refused with what to do', () => withTempDir((temp) => {
    const [image, at] = [join(temp, 'image'), join(temp, 'mounted')];
    makeImage(image, '-b 4096', undefined, 32 << 20);
    mkdirSync(at);
    run('mount', '-o', 'loop', image, at);
    try {
      writeFileSync(join(at, 'file'), 'x');
      run('sync', '-f', at);
      withFileImage(image, (access) => {
        expect(() => new Ext4Reader(access)).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED', detail: { feature: 'needs_recovery' } }));
      });
    } finally {
      run('umount', at);
    }
    withFileImage(image, (access) => { expect(new Ext4Reader(access).resolve('/file').inode.size).toBe(1); });
  }));
});

/** Copies the varied tree, without what blocks of 1 KiB cannot hold. */
function copyTree(at: string, options: string): void {
  const source = `${at}.source`;
  mkdirSync(source);
  makeTree(source);
  if (options.includes('-b 1024')) {
    rmSync(join(source, 'links/longest'));
    rmSync(join(source, 'xattrs/large'));
  }
  for (const name of readdirSync(source)) run('cp', '-a', join(source, name), at);
}

/** Every second block is missing, so the map needs more than the inode holds. */
function makeFragmented(path: string): void {
  const fd = openSync(path, 'w');
  const block = noise(4096, 9);
  for (let i = 0; i < 2000; i++) writeSync(fd, block, 0, block.length, i * 8192);
  closeSync(fd);
}
