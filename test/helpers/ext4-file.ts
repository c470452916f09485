/** A tree with something of every size, and an ext4 file of it that mkfs.ext4 made: mounts are tested without our own writer. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { noise } from './make-tree.js';

export interface Ext4File {
  /** The tree on disk. */
  readonly tree: string;
  /** The ext4 file. */
  readonly path: string;
}

/** @param folder where both are made */
export function makeExt4File(folder: string, fileCount = 200): Ext4File {
  const tree = `${folder}/tree`;
  for (let i = 0; i < fileCount; i++) {
    const parent = `${tree}/d${i % 7}`;
    mkdirSync(parent, { recursive: true });
    writeFileSync(`${parent}/f${i}`, noise([0, 1, 100, 4096, 5000, 70_000, 300_000][i % 7]!, i));
  }
  const path = `${folder}/image.ext4`;
  execFileSync('mkfs.ext4', ['-q', '-b', '4096', '-d', tree, path, '64M'], { stdio: 'ignore' });
  return { tree, path };
}
