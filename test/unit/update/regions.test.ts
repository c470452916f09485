/** Regions of file systems whose blocks are smaller than those of the raw image. */
import { describe, expect, test } from '@jest/globals';
import type { RandomAccess } from '../../../src/bytes/random-access.js';
import { fileNode, type DirectoryNode } from '../../../src/model/tree.js';
import { regionsOf } from '../../../src/update/regions.js';

const attributes = { permissions: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [] };
const SIZE = 20 * 4096;
const image: RandomAccess = { size: SIZE, read: (_, length) => new Uint8Array(length) };

/** @param files the pieces of each: length, and where it lies */
function tree(files: readonly (readonly (readonly [length: number, place: number])[])[]): DirectoryNode {
  const children: DirectoryNode['children'] = new Map(files.map((pieces, i) => {
    let size = 0;
    const content = { pieces: pieces.map(([length, sourceOffset]) => ({ offset: (size += length) - length, length, source: image, sourceOffset })), size: 0 };
    content.size = size;
    return [String(i), fileNode(attributes, content)];
  }));
  return { ...attributes, kind: 'directory', children };
}

describe('regions', () => {
  test.each<[string, Parameters<typeof tree>[0]]>([
    ['blocks of our size', [[[5000, 4096]], [[4096, 12288], [100, 20480]]]],
    ['a last block in the middle of ours', [[[5000, 2048]], [[3000, 10240]]]],
    ['two files in one block of ours', [[[1000, 4096]], [[1024, 5120]], [[3000, 6144]]]],
    ['pieces with indirect blocks between them', [[[12288, 1024], [262144 / 16, 14336], [700, 31744]]]],
    ['the last block of the file system', [[[2048, SIZE - 2048]], [[1, SIZE - 4096]]]],
  ])('%s: they begin and end with whole blocks, and cover everything once', (_, files) => {
    const regions = regionsOf(tree(files), SIZE);
    let at = 0;
    for (const { start, end, position, file } of regions) {
      expect([start, start % 4096, end % 4096, end > start]).toEqual([at, 0, 0, true]);
      at = end;
      if (file === undefined) continue;
      // The position is that of the region's first byte in the file put together.
      let sum = 0;
      let found = false;
      for (const { length, sourceOffset } of file.content.pieces) {
        if (start >= sourceOffset && start < sourceOffset + length) {
          expect(position).toBe(sum + start - sourceOffset);
          found = true;
        }
        sum += length;
      }
      expect(found).toBe(true);
    }
    expect(at).toBe(SIZE);
  });
});
