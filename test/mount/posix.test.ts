/** What programs may ask of a read-only file system: test/helpers/posix-checks.py asks our mounts and the kernel's own mount of the same image. */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import type { ByteString } from '../../src/bytes/byte-string.js';
import { layOutExt4 } from '../../src/ext4/writer/writer.js';
import type { DirectoryNode, TreeNode } from '../../src/model/tree.js';
import { everythingTree } from '../helpers/everything-tree.js';
import { mountForTest, tearDown } from '../helpers/mounted.js';
import { directory, file, symlink } from '../helpers/nodes.js';
import { missing, oracleTest } from '../helpers/oracle.js';
import { writeContent } from '../helpers/write-content.js';

const needs = ['loop', 'fuse', 'python3', 'losetup'];
const program = resolve('test/helpers/posix-checks.py');
const run = promisify(execFile);
const able = missing(needs).length === 0;
const checks = able ? JSON.parse(execFileSync('python3', [program, '--list'], { encoding: 'utf8' })) as string[] : ['what programs ask'];

type Results = Readonly<Record<string, unknown>>;
const results: Record<string, Results> = {};
let folder: string;

function tree(): DirectoryNode {
  // No inode has more than 65,000 names.
  const named = Array.from({ length: 4 }, () => file());
  const many = Array.from({ length: 200_000 }, (_, i): [ByteString, TreeNode] => [`a-name-of-some-length-${i}`, named[i % 4]!]);
  return directory({
    'e': everythingTree(), 'many': directory(many), 'to-block': symlink('e/block'), 'loop-a': symlink('loop-b'), 'loop-b': symlink('loop-a'),
    'bin': directory({
      'true': file(readFileSync('/bin/true'), { permissions: 0o755 }), 'hello': file('#!/bin/sh\necho hello "$1" from "${0##*/}"\n', { permissions: 0o755 }),
      'module.py': file('def answer():\n  return 42\n'),
    }),
  });
}

async function ask(mountPoint: string): Promise<Results> {
  return JSON.parse((await run('python3', [program, mountPoint], { maxBuffer: 1 << 28 })).stdout) as Results;
}

beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/thawfs-test-`);
  chmodSync(folder, 0o755); // other users look too
  if (!able) return;
  const path = `${folder}/image.ext4`;
  writeContent(layOutExt4(tree(), {}).image, path);
  const mounts = Object.fromEntries(await Promise.all((['block', 'tree'] as const).map(async (backend) => [backend, (await mountForTest(folder, { kind: 'raw', path }, { backend })).directory] as const)));
  mkdirSync(`${folder}/kernel`);
  execFileSync('mount', ['-o', 'loop,ro', path, `${folder}/kernel`]);
  await Promise.all(Object.entries({ ...mounts, kernel: `${folder}/kernel` }).map(async ([name, mountPoint]) => { results[name] = await ask(mountPoint); }));
}, 400_000);

afterAll(() => {
  tearDown(folder);
  rmSync(folder, { recursive: true, force: true });
});

describe.each(['block', 'tree'])('%s back-end', (backend) => {
  for (const check of checks) {
    oracleTest(needs, check.replaceAll('_', ' '), () => {
      expect(results[backend]![check]).toEqual(results['kernel']![check]);
      expect(JSON.stringify(results['kernel']![check])).not.toMatch(/^"\w+(?:Error|Expired):? /);
    });
  }
});

oracleTest(needs, 'the comparison sees a difference', async () => {
  mkdirSync(`${folder}/other`);
  writeFileSync(`${folder}/other.ext4`, '');
  const other = tree();
  other.children.delete('many');
  const everything = other.children.get('e') as DirectoryNode;
  everything.children.set('block', file('not the block'));
  writeContent(layOutExt4(other, {}).image, `${folder}/other.ext4`);
  execFileSync('mount', ['-o', 'loop,ro', `${folder}/other.ext4`, `${folder}/other`]);
  const seen = await ask(`${folder}/other`);
  expect(checks.filter((check) => JSON.stringify(seen[check]) !== JSON.stringify(results['kernel']![check]))).toEqual(expect.arrayContaining(['stat_has_every_field', 'read_gives_every_byte']));
}, 180_000);
