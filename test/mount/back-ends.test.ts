/** Both back-ends show what the kernel shows of the same ext4; failed mounts leave nothing. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { compareTrees } from '../helpers/compare-tree.js';
import { makeExt4File } from '../helpers/ext4-file.js';
import { makeTree } from '../helpers/make-tree.js';
import { mountForTest, tearDown, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withTempDir } from '../helpers/temp-dir.js';

const needs = ['loop', 'fuse', 'mkfs.ext4', 'losetup'];

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(needs, 'every attribute, xattr and byte is what a plain loop mount shows', () => withTempDir(async (folder) => {
    mkdirSync(`${folder}/tree`);
    makeTree(`${folder}/tree`);
    execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-d', `${folder}/tree`, `${folder}/image.ext4`, '128M'], { stdio: 'ignore' });
    mkdirSync(`${folder}/kernel`);
    try {
      execFileSync('mount', ['-o', 'loop,ro', `${folder}/image.ext4`, `${folder}/kernel`]);
      const mounted = await mountForTest(folder, { kind: 'raw', path: `${folder}/image.ext4` }, { backend });
      expect(compareTrees(`${folder}/kernel`, mounted.directory, { directoryLinks: true })).toEqual([]);
      await mounted.unmount();
    } finally {
      tearDown(folder);
    }
  }), 180_000);

  oracleTest(needs, 'a mount that fails leaves nothing behind', () => withTempDir(async (folder) => {
    try {
      writeFileSync(`${folder}/garbage`, Buffer.alloc(1 << 20, 0x5a));
      await expect(mountForTest(folder, { kind: 'raw', path: `${folder}/missing` }, { backend })).rejects.toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
      if (backend === 'block') {
        await expect(mountForTest(folder, { kind: 'raw', path: `${folder}/garbage` }, { backend })).rejects.toThrow(expect.objectContaining({ code: 'MOUNT_FAILED' }));
      }
      const { path } = makeExt4File(folder, 5);
      await expect(mountForTest(folder, { kind: 'raw', path }, { backend, target: `${folder}/nowhere` })).rejects.toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
      await untilNothingLeft(folder);
      expect(readdirSync(`${folder}/run`)).toEqual([]);
    } finally {
      tearDown(folder);
    }
  }), 180_000);

  oracleTest(needs, 'eight mounts of one image at once', () => withTempDir(async (folder) => {
    const { tree, path } = makeExt4File(folder, 5);
    try {
      const mounts = await Promise.all(Array.from({ length: 8 }, () => mountForTest(folder, { kind: 'raw', path }, { backend })));
      for (const { directory } of mounts) expect(compareTrees(tree, directory, { ignore: ['lost+found'] }).filter((line) => !line.includes('mtime'))).toEqual([]);
      await Promise.all(mounts.map((mount) => mount.unmount()));
      await untilNothingLeft(folder);
    } finally {
      tearDown(folder);
    }
  }), 180_000);
});
