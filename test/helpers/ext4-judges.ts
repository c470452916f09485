/** What judges an ext4 image: e2fsck, debugfs, and the kernel's own mount. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { DirectoryNode } from '../../src/model/tree.js';
import { layOutExt4, type Ext4Layout, type Ext4Options } from '../../src/ext4/writer/writer.js';
import { withTempDir } from './temp-dir.js';
import { writeContent } from './write-content.js';

export interface WrittenImage {
  readonly path: string;
  readonly layout: Ext4Layout;
}

/** Writes the image of a tree; the file is gone when the body ends. */
export async function withImage<T>(root: DirectoryNode, options: Ext4Options, body: (image: WrittenImage) => T | Promise<T>): Promise<T> {
  return withTempDir(async (folder) => {
    const layout = layOutExt4(root, options);
    const path = `${folder}/fs.img`;
    writeContent(layout.image, path);
    return body({ path, layout });
  });
}

function run(command: string, args: readonly string[]): { status: number | null; output: string; errors: string } {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'latin1', maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } });
  if (error !== undefined) throw error;
  return { status, output: stdout, errors: stderr };
}

/** @returns what e2fsck has to say beside its five passes and the final count; empty = nothing to complain about. */
export function complaints(image: string): string {
  const { status, output, errors } = run('e2fsck', ['-fn', image]);
  const said = `${errors}${output}`.split('\n')
    .filter((line) => line !== '' && !/^(?:e2fsck \d|Pass [1-5]: (?:Checking|\w)|.*: \d+\/\d+ files \()/.test(line));
  return [...(status === 0 ? [] : [`exit ${String(status)}`]), ...said].join('\n');
}

/** @returns what debugfs prints for a request. */
export function debugfs(image: string, request: string): string {
  return run('debugfs', ['-R', request, image]).output;
}

/** Mounts read-only by a loop device while the body runs. */
export async function withMount<T>(image: string, body: (mountPoint: string) => T | Promise<T>): Promise<T> {
  return withTempDir(async (folder) => {
    const mountPoint = `${folder}/mnt`;
    mkdirSync(mountPoint);
    const { status, errors } = run('mount', ['-o', 'loop,ro', '-t', 'ext4', image, mountPoint]);
    if (status !== 0) throw new Error(`mount: ${errors}`);
    try {
      return await body(mountPoint);
    } finally {
      run('umount', [mountPoint]);
    }
  });
}
