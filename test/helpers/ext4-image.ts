/** Foreign ext2, ext3 and ext4 images for the tests of our reader. */
import { execFileSync } from 'node:child_process';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { walk, type DirectoryNode } from '../../src/model/tree.js';
import { makeTree } from './make-tree.js';

/** Runs a tool quietly. @returns its standard output */
export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}

/**
 * Makes an image with mke2fs.
 *
 * @param options as on the command line, separated by spaces
 * @param size bytes; default 64 MiB
 */
export function makeImage(path: string, options: string, from?: string, size = 64 << 20): void {
  writeFileSync(path, '');
  truncateSync(path, size);
  run('mkfs.ext4', '-q', '-F', ...options.split(' ').filter((option) => option !== ''), ...from === undefined ? [] : ['-d', from], path);
}

/** Makes the varied tree without the few things that mkfs -d 1.47.0 refuses to copy: the longest symlink, a large xattr. */
export function makeCopyableTree(directory: string): void {
  makeTree(directory);
  rmSync(join(directory, 'links/longest'));
  rmSync(join(directory, 'xattrs/large'));
  rmSync(join(directory, 'special/symlink-again')); // it makes two of a hard-linked symlink
}

/** Makes a tree what mkfs -d copies of it: seconds in 32 bits, no nanoseconds, its own root and lost+found. */
export function asCopied(root: DirectoryNode): DirectoryNode {
  for (const { node } of walk(root)) {
    node.mtimeSeconds |= 0;
    node.mtimeNanoseconds = 0;
  }
  root.permissions = 0o755;
  root.mtimeSeconds = 0;
  root.children.delete('lost+found');
  return root;
}
