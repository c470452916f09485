/** Random trees survive text; random damage to the text is refused with a code. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ThawfsError } from '../../../src/errors.js';
import type { Attributes, DirectoryNode, TreeNode } from '../../../src/model/tree.js';
import { formatDump, parseDump } from '../../../src/tree/dump.js';
import { sortXattrs } from '../../../src/tree/kept-xattrs.js';

const byteString = (minLength: number, maxLength: number): fc.Arbitrary<string> => fc.uint8Array({ minLength, maxLength }).map((bytes) => Buffer.from(bytes.map((byte) => byte || 1)).toString('latin1'));
const name = byteString(1, 20).map((text) => text.replaceAll('/', '_')).filter((text) => text !== '.' && text !== '..');
const attributes: fc.Arbitrary<Attributes> = fc.record({
  permissions: fc.nat(0o7777), uid: fc.nat(0xffffffff), gid: fc.nat(0xffffffff),
  mtimeSeconds: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), mtimeNanoseconds: fc.nat(999_999_999),
  xattrs: fc.array(fc.record({ name: byteString(1, 10).map((text) => `user.${text}`), value: fc.uint8Array({ maxLength: 20 }) }), { maxLength: 3 }).map(sortXattrs),
});
const leaf: fc.Arbitrary<TreeNode> = fc.oneof(
  fc.tuple(attributes, fc.nat()).map(([common, size]): TreeNode => ({ kind: 'file', ...common, content: { size, pieces: [] } })),
  fc.tuple(attributes, byteString(1, 30)).map(([common, target]): TreeNode => ({ kind: 'symlink', ...common, target })),
  fc.tuple(attributes, fc.nat(4095), fc.nat(1_048_575)).map(([common, major, minor]): TreeNode => ({ kind: 'block-device', ...common, major, minor })),
  fc.tuple(attributes, fc.constantFrom('fifo' as const, 'socket' as const)).map(([common, kind]): TreeNode => ({ kind, ...common })),
);
const { directory } = fc.letrec<{ directory: DirectoryNode; node: TreeNode }>((tie) => ({
  directory: fc.tuple(attributes, fc.array(fc.tuple(name, tie('node')), { maxLength: 5 })).map(([common, children]): DirectoryNode => ({ kind: 'directory', ...common, children: new Map(children) })),
  node: fc.oneof({ depthSize: 'small' }, leaf, tie('directory')),
}));

describe('dump', () => {
  test('tree -> text -> tree', () => {
    fc.assert(fc.property(directory, (root) => {
      const text = formatDump(root);
      expect(text).toMatch(/^[\x20-\x7e\n]*$/);
      expect(parseDump(text)).toEqual(root);
    }), { numRuns: 300 });
  });

  test('damaged text', () => {
    fc.assert(fc.property(directory, fc.nat(), byteString(0, 5), (root, at, insertion) => {
      const text = formatDump(root);
      const position = at % text.length;
      try {
        parseDump(text.slice(0, position) + insertion + text.slice(position + 1));
      } catch (error) {
        expect(error).toBeInstanceOf(ThawfsError);
      }
    }), { numRuns: 500 });
  });
});
