/** Layouts on a base, case by case; random trees are in test/property/ext4-writer/on-base. */
import { describe, expect, test } from '@jest/globals';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import { bytesContent } from '../../../src/model/content.js';
import type { DirectoryNode, TreeNode } from '../../../src/model/tree.js';
import { layOutOn } from '../../helpers/based-image.js';
import { noise } from '../../helpers/make-tree.js';
import { readContent } from '../../helpers/tree-model.js';

const attributes = { permissions: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_700_000_000, mtimeNanoseconds: 0, xattrs: [] };

function treeOf(files: Readonly<Record<string, Uint8Array>>): DirectoryNode {
  const children = Object.entries(files).map(([name, bytes]): [string, TreeNode] => [name, { ...attributes, kind: 'file', content: bytesContent(bytes) }]);
  return { ...attributes, kind: 'directory', permissions: 0o755, children: new Map(children) };
}

const blocks = (count: number, seed: number): Uint8Array => noise(count * 4096, seed);

describe('the same tree again is the same image', () => {
  test('with a file whose last block lies alone: new blocks filled a hole and went on behind the end', () => {
    const [start, middle, end] = [blocks(3, 1), blocks(7, 2), blocks(9, 3)]; // seven blocks hold one whole chunk of four
    const before = readContent(layOutExt4(treeOf({ a: start, b: middle, c: end })).image);
    const grown = treeOf({ a: Buffer.concat([start, blocks(5, 4)]), c: end });
    const { layout, raw } = layOutOn(before, grown, {}, { chunkBlocks: 4 });
    expect(layout.base).toMatchObject({ fresh: 5 });
    const again = layOutOn(raw, grown, {}, { chunkBlocks: 4 });
    expect(again.layout.base).toMatchObject({ fresh: 0 });
    expect(again.raw.equals(raw)).toBe(true);
  });
});

test('inode tables do not grow over a journal that stays: the base is not continued', () => {
  const before = readContent(layOutExt4(treeOf({ a: blocks(1, 1) }), { journal: true }).image);
  const many = treeOf(Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`f${i}`, blocks(1, i + 1)])));
  const { layout, raw } = layOutOn(before, many, { journal: true });
  expect(layout.base).toEqual({ unfit: expect.stringContaining('journal') });
  expect(raw.equals(readContent(layOutExt4(many, { journal: true }).image))).toBe(true);
});
