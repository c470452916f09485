/** A tree written to disk is the tree: judged by compareTrees; and it stays inside its directory. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Piece } from '../../../src/model/content.js';
import type { DirectoryNode, FileNode } from '../../../src/model/tree.js';
import { parseDump } from '../../../src/tree/dump.js';
import { scanDirectory } from '../../../src/tree/from-directory.js';
import { extractTree } from '../../../src/tree/to-directory.js';
import { makeImage, run } from '../../helpers/ext4-image.js';
import { compareTrees } from '../../helpers/compare-tree.js';
import { makeTree } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readPiece as readSync } from '../../helpers/tree-model.js';

const readPiece = (piece: Piece, offset: number, length: number): Promise<Uint8Array> => Promise.resolve(readSync(piece, offset, length));
const root = '/ directory 0755 0 0 0.000000000 - - - -\n';

function made(directory: string): string {
  mkdirSync(`${directory}/from`);
  makeTree(`${directory}/from`);
  return `${directory}/from`;
}

describe('extractTree', () => {
  oracleTest(['linux'], 'writes the tree that was scanned', () => withTempDir(async (directory) => {
    const from = made(directory);
    const calls: number[] = [];
    const report = await extractTree(scanDirectory(from).root, `${directory}/to`, { readPiece, onProgress: (bytes) => calls.push(bytes) });
    expect(compareTrees(from, `${directory}/to`, { directoryLinks: true, owners: process.getuid?.() === 0 })).toEqual([]);
    expect(report).toMatchObject({ skipped: [], skippedCount: 0, bytes: calls.at(-1) });
    expect(report.entries).toBe(Number(execFileSync('sh', ['-c', `find ${from} -mindepth 1 -print0 | tr -dc '\\0' | wc -c`], { encoding: 'utf8' })));
  }));

  oracleTest(['root'], 'as somebody else: what is possible, and a report of the rest', () => withTempDir((directory) => {
    chmodSync(directory, 0o755);
    mkdirSync(`${directory}/to`);
    chmodSync(`${directory}/to`, 0o777);
    const script = `
      const [{ extractTree }, { readPiece }, { parseDump }] = await Promise.all([${['../../../src/tree/to-directory.js', '../../helpers/tree-model.js', '../../../src/tree/dump.js'].map((path) => `import(${JSON.stringify(new URL(path, import.meta.url).href)})`).join(', ')}]);
      const text = ${JSON.stringify(`${root}/dev character-device 0600 0 0 5.000000000 - 1:3 - -
/capable file 4755 7 8 6.000000000 3 - - inline:abc security.capability=0100000200040000000000000000000000000000 user.x=61 trusted.y=62
/mine file 6755 65534 65534 7.000000000 0 - - -
/pipe fifo 0640 0 0 8.000000000 - - - -
`)};
      const report = await extractTree(parseDump(text), ${JSON.stringify(`${directory}/to/tree`)}, { readPiece: async (...a) => readPiece(...a) });
      console.log(JSON.stringify(report));
    `;
    const report = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' })) as { skipped: string[] };
    expect(report.skipped).toEqual([
      'capable: attribute security.capability (EPERM)', 'capable: attribute trusted.y (EPERM)', 'capable: set-id bits (not its owner)', 'dev: character-device (EPERM)',
    ]);
    const stats = lstatSync(`${directory}/to/tree/capable`);
    expect([stats.mode & 0o7777, stats.uid, stats.mtimeMs, readFileSync(`${directory}/to/tree/capable`, 'latin1')]).toEqual([0o755, 65534, 6000, 'abc']);
    expect(lstatSync(`${directory}/to/tree/mine`).mode & 0o7777).toBe(0o6755);
    expect(lstatSync(`${directory}/to/tree/pipe`).isFIFO()).toBe(true);
  }));

  oracleTest(['root', 'loop', 'mkfs.ext4'], 'an attribute that is larger than the file system keeps is reported, a full file system ends it', () => withTempDir(async (directory) => {
    const tree = parseDump(`${root}/f file 0644 0 0 5.000000000 1 - - inline:a user.large=${'61'.repeat(5000)} user.small=62\n`);
    makeImage(`${directory}/image`, '-b 4096 -O ^ea_inode', undefined, 16 << 20);
    mkdirSync(`${directory}/at`);
    run('mount', '-o', 'loop', `${directory}/image`, `${directory}/at`);
    try {
      expect((await extractTree(tree, `${directory}/at/to`, { readPiece })).skipped).toEqual(['f: attribute user.large (E2BIG)']);
      expect(readFileSync(`${directory}/at/to/f`, 'latin1')).toBe('a');
      run('sh', '-c', `head -c 32M /dev/zero > ${directory}/at/full || true`);
      await expect(extractTree(tree, `${directory}/at/again`, { readPiece })).rejects.toMatchObject({ code: 'NO_SPACE' });
    } finally {
      run('umount', `${directory}/at`);
    }
  }));

  test('a file has its name when it is whole; before, no file has', () => withTempDir(async (directory) => {
    const tree = parseDump(`${root}/d directory 0755 0 0 0.000000000 - - - -\n/d/f file 0644 0 0 0.000000000 2 - - inline:ab\n/g file 0600 0 0 5.000000000 1 - - inline:c\n/h hardlink - - - - - - /d/f -\n`);
    const seen: string[][] = [];
    const look = (piece: Piece, offset: number, length: number): Promise<Uint8Array> => {
      seen.push(['', '/d'].flatMap((folder) => readdirSync(`${directory}/to${folder}`)).filter((name) => name !== 'd' && !/^\.thawfs-\d+-\d+\.partial$/.test(name)));
      return readPiece(piece, offset, length);
    };
    await extractTree(tree, `${directory}/to`, { readPiece: look, owners: false });
    expect(seen).toEqual([[], []]);
    expect([readdirSync(`${directory}/to`).sort(), readdirSync(`${directory}/to/d`)]).toEqual([['d', 'g', 'h'], ['f']]);
    expect(lstatSync(`${directory}/to/h`).ino).toBe(lstatSync(`${directory}/to/d/f`).ino);
    await expect(extractTree(tree, `${directory}/failed`, { readPiece: () => Promise.reject(new Error('reader')), owners: false })).rejects.toThrow('reader');
    expect([readdirSync(`${directory}/failed`), readdirSync(`${directory}/failed/d`)]).toEqual([['d'], []]);
  }));

  test('more directories than are held open, written in the order of the contents', () => withTempDir(async (directory) => {
    const count = 200;
    const lines = Array.from({ length: count }, (_, i) => `/d${i} directory 0755 0 0 0.000000000 - - - -\n/d${i}/f file 0644 0 0 0.000000000 1 - - -\n`).sort();
    const tree = parseDump(root + lines.join(''));
    const source = { size: count, read: (offset: number, length: number): Uint8Array => new Uint8Array(length).fill(offset) };
    for (let i = 0; i < count; i++) {
      const file = (tree.children.get(`d${i}`) as DirectoryNode).children.get('f') as FileNode;
      file.content = { size: 1, pieces: [{ offset: 0, length: 1, source, sourceOffset: i * 7 % count }] };
    }
    const asked: number[] = [];
    await extractTree(tree, `${directory}/to`, { readPiece: (piece, offset, length) => { asked.push(piece.sourceOffset); return readPiece(piece, offset, length); }, owners: false });
    expect(asked).toEqual(Array.from({ length: count }, (_, i) => i));
    for (let i = 0; i < count; i++) expect(readFileSync(`${directory}/to/d${i}/f`)[0]).toBe(i * 7 % count);
  }));

  test('shares directories that are there, and refuses to replace files unless asked', () => withTempDir(async (directory) => {
    mkdirSync(`${directory}/d`);
    writeFileSync(`${directory}/d/f`, 'old');
    const tree = parseDump(`${root}/d directory 0755 0 0 0.000000000 - - - -\n/d/f file 0644 0 0 0.000000000 3 - - inline:new\n`);
    await expect(extractTree(tree, directory, { readPiece, owners: false })).rejects.toMatchObject({ code: 'BAD_ARGUMENT', detail: { path: 'd/f' } });
    expect(readFileSync(`${directory}/d/f`, 'latin1')).toBe('old');
    await extractTree(tree, directory, { readPiece, owners: false, overwrite: true });
    expect(readFileSync(`${directory}/d/f`, 'latin1')).toBe('new');
  }));

  test('never writes through a symlink that is there, overwriting or not', () => withTempDir(async (directory) => {
    mkdirSync(`${directory}/outside`);
    writeFileSync(`${directory}/outside/f`, 'mine');
    mkdirSync(`${directory}/to`);
    const links = (): void => {
      symlinkSync('../outside', `${directory}/to/d`);
      symlinkSync('../outside/f', `${directory}/to/f`);
      symlinkSync('../outside/new', `${directory}/to/dangling`);
    };
    links();
    const tree = parseDump(`${root}/d directory 0755 0 0 0.000000000 - - - -\n/d/f file 0644 0 0 0.000000000 4 - - inline:evil\n/dangling file 0644 0 0 0.000000000 4 - - inline:evil\n/f file 0644 0 0 0.000000000 4 - - inline:evil\n`);
    await expect(extractTree(tree, `${directory}/to`, { readPiece, owners: false })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await extractTree(tree, `${directory}/to`, { readPiece, owners: false, overwrite: true });
    expect(readFileSync(`${directory}/outside/f`, 'latin1')).toBe('mine');
    expect(readdirSync(`${directory}/outside`)).toEqual(['f']);
    expect(readFileSync(`${directory}/to/d/f`, 'latin1')).toBe('evil');
  }));

  test.each(['..', '.', '', 'a/b', '../escaped', 'a\0b', 'n'.repeat(256)])('refuses the name %j', (name) => withTempDir(async (directory) => {
    for (const kind of ['file', 'directory', 'symlink'] as const) {
      const tree = parseDump(`${root}/x ${kind} 0755 0 0 0.000000000 ${kind === 'file' ? '0 - - -' : kind === 'symlink' ? '- - /etc -' : '- - - -'}\n`);
      tree.children.set(name, tree.children.get('x')!);
      tree.children.delete('x');
      await expect(extractTree(tree, `${directory}/to`, { readPiece, owners: false })).rejects.toMatchObject({ code: 'BAD_FIELD' });
    }
    expect(readdirSync(directory)).toEqual(['to']);
    expect(existsSync(`${directory}/to/x`)).toBe(false);
  }));

  test('a directory swapped for a symlink while it is written leads nowhere', () => withTempDir(async (directory) => {
    mkdirSync(`${directory}/outside`);
    const tree = parseDump(`${root}/d directory 0755 0 0 0.000000000 - - - -\n/d/a file 0644 0 0 0.000000000 1 - - inline:a\n/d/b file 0644 0 0 0.000000000 1 - - inline:b\n/e hardlink - - - - - - /d/a -\n`);
    const swap = async (piece: Piece, offset: number, length: number): Promise<Uint8Array> => {
      if (!lstatSync(`${directory}/to/d`).isSymbolicLink()) execFileSync('sh', ['-c', 'mv to/d to/moved && ln -s ../outside to/d'], { cwd: directory });
      return readPiece(piece, offset, length);
    };
    await expect(extractTree(tree, `${directory}/to`, { readPiece: swap, owners: false })).rejects.toMatchObject({ code: 'SOURCE_CHANGED' });
    expect(readdirSync(`${directory}/outside`)).toEqual([]);
  }));

  test('a failing reader and a signal stop it with their own errors', () => withTempDir(async (directory) => {
    const lines = Array.from({ length: 30 }, (_, i) => `/f${i} file 0644 0 0 0.000000000 1 - - inline:x\n`).sort();
    const tree = parseDump(root + lines.join(''));
    const failure = new Error('reader');
    await expect(extractTree(tree, `${directory}/a`, { readPiece: () => Promise.reject(failure) })).rejects.toBe(failure);
    const controller = new AbortController();
    const reason = new Error('enough');
    const abort = (piece: Piece, offset: number, length: number): Promise<Uint8Array> => { controller.abort(reason); return readPiece(piece, offset, length); };
    await expect(extractTree(tree, `${directory}/b`, { readPiece: abort, signal: controller.signal })).rejects.toBe(reason);
  }));

  test('a tree deeper than any path is refused', () => withTempDir(async (directory) => {
    const tree = parseDump(root);
    let here = tree;
    for (let level = 0; level < 2100; level++) {
      const next = { ...parseDump(root) };
      here.children.set('d', next);
      here = next;
    }
    await expect(extractTree(tree, `${directory}/to`, { readPiece, owners: false })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    execFileSync('rm', ['-rf', `${directory}/to`]); // Too deep for node:fs.
  }));
});
