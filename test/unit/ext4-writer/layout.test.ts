import { describe, expect, test } from '@jest/globals';
import { fromText } from '../../../src/bytes/byte-string.js';
import { layOutExt4 } from '../../../src/ext4/writer/writer.js';
import { takeInventory } from '../../../src/ext4/writer/inventory.js';
import type { DirectoryNode, FileNode, TreeNode } from '../../../src/model/tree.js';
import { everythingTree } from '../../helpers/everything-tree.js';
import { noise } from '../../helpers/make-tree.js';
import { directory, file, symlink, xattr } from '../../helpers/nodes.js';
import { readContent } from '../../helpers/tree-model.js';

/** The same tree, its maps filled in the opposite order. */
function reversed(node: DirectoryNode): DirectoryNode {
  const copies = new Map<TreeNode, TreeNode>();
  const copy = (each: TreeNode): TreeNode => {
    const known = copies.get(each);
    if (known !== undefined) return known;
    const made = each.kind === 'directory' ? { ...each, children: new Map([...each.children].reverse().map(([name, child]) => [name, copy(child)])) } : { ...each };
    copies.set(each, made);
    return made;
  };
  return copy(node) as DirectoryNode;
}

/** Without its contents, which are terabytes of holes. */
function metadata(root: DirectoryNode): string {
  const { image, metadataBlocks } = layOutExt4(root);
  return [...image.pieces].filter(({ offset }) => offset < metadataBlocks * 4096).map(({ offset, source }) => `${offset} ${Buffer.from(source as Uint8Array).toString('base64')}`).join('\n');
}

describe('the image', () => {
  test('is a content: pieces ascend, do not overlap and stay inside', () => {
    const { image } = layOutExt4(everythingTree());
    let end = 0;
    for (const { offset, length } of image.pieces) {
      expect(offset).toBeGreaterThanOrEqual(end);
      expect(length).toBeGreaterThan(0);
      end = offset + length;
    }
    expect(end).toBeLessThanOrEqual(image.size);
  });

  test('is the same when it is walked twice, and whatever the order of the maps', () => {
    const tree = everythingTree();
    const { image } = layOutExt4(tree);
    const offsets = (): number[] => [...image.pieces].map(({ offset }) => offset);
    expect(offsets()).toEqual(offsets());
    expect(metadata(reversed(tree))).toBe(metadata(tree));
  });

  test('has all metadata before all data', () => {
    const tree = directory({ a: file(noise(5000, 1)), d: directory({ b: file(noise(5000, 2)), s: symlink('s'.repeat(100)) }) });
    const { image, metadataBlocks, usedBlocks, size } = layOutExt4(tree);
    const files = [tree.children.get('a'), (tree.children.get('d') as DirectoryNode).children.get('b')].map((node) => [...(node as FileNode).content.pieces][0]!.source);
    const places = [...image.pieces].filter(({ source }) => files.includes(source)).map(({ offset }) => offset);
    expect(places).toEqual([metadataBlocks * 4096, (metadataBlocks + 2) * 4096]);
    expect(usedBlocks).toBe(metadataBlocks + 4);
    expect(size).toBe(usedBlocks * 4096);
  });

  test('takes data in the order that is asked for', () => {
    const [a, b] = [file('a'), file('b')];
    const seen: string[] = [];
    const { image } = layOutExt4(directory({ a, b }), { order: (files) => {
      seen.push(...files.map(({ name }) => name));
      return Uint32Array.of(1, 0);
    } });
    expect(seen).toEqual(['a', 'b']);
    expect([...image.pieces].slice(-2).map(({ source }) => Buffer.from(source as Uint8Array).toString())).toEqual(['b', 'a']);
  });
});

describe('the default uuid', () => {
  const base = (): DirectoryNode => directory({ f: file('content', { xattrs: [xattr('user.a', '1')] }), s: symlink('t') });
  const uuidOf = (root: DirectoryNode): string => Buffer.from(layOutExt4(root).uuid).toString('hex');

  test('is version 8, and equal for equal trees', () => {
    expect(uuidOf(base())).toMatch(/^[0-9a-f]{12}8[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    expect(uuidOf(base())).toBe(uuidOf(reversed(base())));
  });

  test.each<[string, (root: DirectoryNode) => void]>([
    ['a name', (root) => { root.children.set('g', root.children.get('f')!); root.children.delete('f'); }],
    ['a size', (root) => { root.children.set('f', file('contents', { xattrs: [xattr('user.a', '1')] })); }],
    ['a mode', (root) => { root.children.get('f')!.permissions = 0o600; }],
    ['an owner', (root) => { root.children.get('f')!.uid = 1; }],
    ['a time', (root) => { root.children.get('f')!.mtimeNanoseconds++; }],
    ['an attribute', (root) => { root.children.get('f')!.xattrs = [xattr('user.a', '2')]; }],
    ['a target', (root) => { root.children.set('s', symlink('u')); }],
    ['a further name', (root) => { root.children.set('h', root.children.get('f')!); }],
  ])('changes with %s', (_, change) => {
    const changed = base();
    change(changed);
    expect(uuidOf(changed)).not.toBe(uuidOf(base()));
  });
});

describe('inode numbers', () => {
  test('children of a directory in a row, directories depth first, hard links once', () => {
    const linked = file('l');
    const tree = directory({ b: directory({ y: linked, x: directory({ deep: file() }) }), a: directory({ z: linked, w: file() }), c: file() });
    const { nodes, inodes, links, entryNames, entryNodes, directories, parents } = takeInventory(tree);
    const all = entryNames.map((name, at) => `${name}=${inodes[entryNodes[at]!]!}`);
    expect(all).toEqual(['a=11', 'b=12', 'c=13', 'w=14', 'z=15', 'x=16', 'y=15', 'deep=17']);
    expect([...directories].map((index) => inodes[index])).toEqual([2, 11, 12, 16]);
    expect(nodes).toHaveLength(8);
    expect([...links].slice(0, 8)).toEqual([4, 2, 3, 1, 1, 2, 2, 1]);
    expect([...parents].slice(0, 8)).toEqual([0, 0, 0, 0, 1, 1, 2, 6]);
  });
});

test('a name beyond ASCII is stored as its bytes', () => {
  const image = readContent(layOutExt4(directory({ [fromText('grün')]: file() })).image);
  expect(image.includes(Buffer.from('grün'))).toBe(true);
});
