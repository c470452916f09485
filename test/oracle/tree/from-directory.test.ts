/** The same tree, scanned from the directory, a copy, and in another order of names, is the same model; and it is what the disk says. */
import { execFileSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { toBytes } from '../../../src/bytes/byte-string.js';
import { isHostFile } from '../../../src/model/content.js';
import { walk } from '../../../src/model/tree.js';
import type { FileNode } from '../../../src/model/tree.js';
import { scanDirectory } from '../../../src/tree/from-directory.js';
import { longName, makeTree, rawName } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { modelOf, readContent } from '../../helpers/tree-model.js';

function made(directory: string): string {
  const path = join(directory, 'tree');
  mkdirSync(path);
  makeTree(path);
  return path;
}

describe('scanDirectory', () => {
  oracleTest(['cp', 'linux'], 'a copy by cp -a gives the same model, dense or sparse', () => withTempDir((directory) => {
    const path = made(directory);
    execFileSync('cp', ['-a', path, `${directory}/copy`]);
    execFileSync('cp', ['-a', '--sparse=never', path, `${directory}/dense`]);
    const model = modelOf(scanDirectory(path).root);
    expect(modelOf(scanDirectory(`${directory}/copy`).root)).toBe(model);
    expect(modelOf(scanDirectory(`${directory}/dense`).root)).toBe(model);
  }));

  oracleTest(['linux'], 'the order of names does not show', () => withTempDir((directory) => {
    const path = made(directory);
    const reversed = (at: string): string[] => readdirSync(toBytes(at), 'latin1').sort().reverse();
    const rotated = (at: string): string[] => { const names = readdirSync(toBytes(at), 'latin1'); return [...names.slice(names.length / 2), ...names.slice(0, names.length / 2)]; };
    const model = modelOf(scanDirectory(path).root);
    expect(modelOf(scanDirectory(path, { readNames: reversed }).root)).toBe(model);
    expect(modelOf(scanDirectory(path, { readNames: rotated }).root)).toBe(model);
  }));

  oracleTest(['linux'], 'every attribute is what lstat says', () => withTempDir((directory) => {
    const path = made(directory);
    for (const { path: inner, node } of walk(scanDirectory(path).root)) {
      const stats = lstatSync(toBytes(inner === '' ? path : `${path}/${inner}`), { bigint: true });
      const time = BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanoseconds);
      expect([inner, node.permissions, node.uid, node.gid, time]).toEqual([inner, Number(stats.mode & 0o7777n), Number(stats.uid), Number(stats.gid), stats.mtimeNs]);
    }
  }));

  oracleTest(['getfattr', 'linux'], 'extended attributes are what getfattr says', () => withTempDir((directory) => {
    const path = made(directory);
    const names = [...walk(scanDirectory(path).root)].filter(({ node, path: inner }) => node.xattrs.length > 0 && !inner.includes('\n'));
    expect(names.length).toBeGreaterThan(5);
    for (const { path: inner, node } of names) {
      const text = execFileSync('getfattr', ['-h', '-d', '-m', '^(user|trusted|security.capability|system.posix_acl)', '-e', 'hex', '--absolute-names', `${path}/${inner}`], { encoding: 'utf8' });
      const expected = text.trim().split('\n').slice(1).sort();
      expect(node.xattrs.map(({ name, value }) => `${name}=0x${Buffer.from(value).toString('hex')}`)).toEqual(expected);
    }
  }));

  oracleTest(['linux'], 'hard links are one node, sizes and holes are right, names are bytes', () => withTempDir((directory) => {
    const { root, warnings } = scanDirectory(made(directory));
    expect(warnings).toEqual([]);
    const at = new Map([...walk(root)].map(({ path, node }) => [path, node]));
    expect(new Set(['links/one', 'links/two', 'deep/three', 'zz-four'].map((name) => at.get(name))).size).toBe(1);
    expect(at.get('special/fifo-again')).toBe(at.get('special/fifo'));
    expect(at.get('special/symlink-again')).toBe(at.get('links/short'));
    expect(at.has(`names/${longName}`) && at.has(`names/${rawName}`)).toBe(true);
    const ranges = (name: string): number[][] => [...(at.get(name) as FileNode).content.pieces].map(({ offset, length }) => [offset, length]);
    expect(ranges('sparse/hole-between')).toEqual([[0, 8192], [921_600, 8192]]);
    expect(ranges('sparse/only-hole')).toEqual([]);
    expect(ranges('sparse/written-zeros')).toEqual([[0, 8192], [147_456, 8192]]);
    expect(ranges('sizes/0')).toEqual([]);
    expect(ranges('sizes/4097')).toEqual([[0, 4097]]);
    expect(readContent((at.get(`names/${rawName}`) as FileNode).content).toString('latin1')).toBe(Buffer.from(rawName, 'utf8').toString('latin1'));
  }));

  test('a file of this machine carries what was seen of it, as node:fs reports it', () => withTempDir((directory) => {
    writeFileSync(`${directory}/f`, 'x');
    const file = scanDirectory(directory).root.children.get('f') as FileNode;
    const [piece] = [...file.content.pieces];
    const source = piece!.source;
    const { size, mtimeMs } = lstatSync(`${directory}/f`);
    expect(!(source instanceof Uint8Array) && isHostFile(source) && source.seen).toEqual({ size, mtimeMs });
  }));

  test('the root may be a symlink; below it none is followed', () => withTempDir((directory) => {
    mkdirSync(`${directory}/real`);
    symlinkSync('/etc', `${directory}/real/etc`);
    symlinkSync('real', `${directory}/alias`);
    const { root } = scanDirectory(`${directory}/alias`);
    expect([...root.children.values()]).toMatchObject([{ kind: 'symlink', target: '/etc' }]);
  }));

  test('skip leaves out an entry and what is below it, unread', () => withTempDir((directory) => {
    mkdirSync(`${directory}/a/b`, { recursive: true });
    const asked: string[] = [];
    const readNames = (at: string): string[] => { asked.push(at); return readdirSync(at); };
    const { root } = scanDirectory(directory, { skip: (path) => path === 'a/b', readNames });
    expect([...walk(root)].map(({ path }) => path)).toEqual(['', 'a']);
    expect(asked).toEqual([directory, `${directory}/a`]);
  }));
});

describe('scanDirectory refuses', () => {
  test('what is not there, and what is no directory', () => withTempDir((directory) => {
    writeFileSync(`${directory}/file`, '');
    expect(() => scanDirectory(`${directory}/none`)).toThrow(expect.objectContaining({ code: 'PATH_MISSING' }));
    expect(() => scanDirectory(`${directory}/file`)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  }));

  test('a file that disappears, naming it', () => withTempDir((directory) => {
    writeFileSync(`${directory}/gone`, '');
    const readNames = (at: string): string[] => { const names = readdirSync(at); unlinkSync(`${directory}/gone`); return names; };
    expect(() => scanDirectory(directory, { readNames })).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED', detail: { path: `${directory}/gone` } }));
  }));

  oracleTest(['linux'], 'a path that is longer than any call takes', () => withTempDir((directory) => {
    const half = (name: string): string => `${directory}/${Array.from({ length: 10 }, () => name.repeat(250)).join('/')}`;
    mkdirSync(half('a'), { recursive: true });
    mkdirSync(half('b'), { recursive: true });
    const [top, below] = [`${directory}/${'b'.repeat(250)}`, `${half('a')}/b`];
    renameSync(top, below);
    expect(() => scanDirectory(directory)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    expect([...walk(scanDirectory(directory, { skip: (path) => path.length > 2500 }).root)]).toHaveLength(10);
    renameSync(below, top);
  }));

  oracleTest(['root'], 'a file that we may not read, naming it', () => withTempDir((directory) => {
    chmodSync(directory, 0o755);
    writeFileSync(`${directory}/secret`, Buffer.alloc(70_000), { mode: 0 }); // large enough to be looked into
    const scanner = new URL('../../../src/tree/from-directory.js', import.meta.url).href;
    const script = `import(${JSON.stringify(scanner)}).then(({ scanDirectory }) => scanDirectory(${JSON.stringify(directory)})).catch(({ code, detail }) => console.log(JSON.stringify({ code, detail })))`;
    const output = execFileSync(process.execPath, ['-e', script], { uid: 65534, gid: 65534, cwd: '/', encoding: 'utf8' });
    expect(JSON.parse(output)).toEqual({ code: 'NOT_PERMITTED', detail: { errno: 'EACCES', path: `${directory}/secret` } });
  }));
});
