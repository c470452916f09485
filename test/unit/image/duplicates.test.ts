/** Which files are found to be equal: by size and name first, by their bytes in the end. */
import { expect, test } from '@jest/globals';
import { findDuplicates } from '../../../src/image/duplicates.js';
import { bytesContent, type Piece } from '../../../src/model/content.js';
import { walk, type DirectoryNode, type FileNode, type TreeNode } from '../../../src/model/tree.js';

const attributes = { permissions: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [] };

function file(text: string, size = text.length): FileNode {
  return { kind: 'file', ...attributes, content: bytesContent(Buffer.from(text.padEnd(size, '.'))) };
}

function directory(children: Readonly<Record<string, TreeNode>>): DirectoryNode {
  return { kind: 'directory', ...attributes, children: new Map(Object.entries(children)) };
}

/** @returns "later = earlier" by path, sorted */
function equalPaths(root: DirectoryNode): string[] {
  const paths = new Map([...walk(root)].reverse().map(({ path, node }) => [node, path]));
  return [...findDuplicates(root)].map(([later, earlier]) => `${paths.get(later)!} = ${paths.get(earlier)!}`).sort();
}

test('small files of one size and name, large files of one size: those whose bytes are equal', () => {
  const linked = file('with two names');
  expect(equalPaths(directory({
    a: directory({ same: file('text'), other: file('text'), differs: file('1234'), large1: file('x', 70_000), large3: file('z', 70_000), linked, empty: file('') }),
    b: directory({ same: file('text'), differs: file('5678'), large2: file('x', 70_000), linked, empty: file('') }),
    c: directory({ same: file('text') }),
  }))).toEqual(['b/large2 = a/large1', 'b/same = a/same', 'c/same = a/same']);
});

test('in however many pieces a source has the data, but not with other holes', () => {
  const [bytes, zeros] = [Buffer.alloc(200_000, 'data'), Buffer.alloc(50_000)];
  bytes.fill(0, 100_000, 150_000);
  const piece = (offset: number, source: Uint8Array): Piece => ({ offset, length: source.length, source, sourceOffset: 0 });
  const of = (...pieces: Piece[]): FileNode => ({ kind: 'file', ...attributes, content: { size: bytes.length, pieces } });
  const [start, end] = [bytes.subarray(0, 100_000), bytes.subarray(150_000)];
  expect(equalPaths(directory({
    a: of(piece(0, bytes)), b: of(piece(0, start), piece(100_000, zeros), piece(150_000, end)), c: of(piece(0, start), piece(150_000, end)), d: of(piece(0, start.subarray(0, 50_000)), piece(50_000, start.subarray(50_000)), piece(150_000, end)),
  }))).toEqual(['b = a', 'd = c']);
});

test('a lone file, an empty tree: nothing', () => {
  expect(equalPaths(directory({ a: file('a') }))).toEqual([]);
  expect(equalPaths(directory({}))).toEqual([]);
});
