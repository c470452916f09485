/** Random trees for property tests: all kinds of nodes, hard links, odd names, edges of sizes and times. */
import fc from 'fast-check';
import type { ByteString } from '../../src/bytes/byte-string.js';
import type { Content } from '../../src/model/content.js';
import type { Attributes, DirectoryNode, TreeNode, Xattr } from '../../src/model/tree.js';
import { accessAcl } from './everything-tree.js';
import { noise } from './make-tree.js';

const name: fc.Arbitrary<ByteString> = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 255 }).filter((code) => code !== 0x2f), { minLength: 1, maxLength: 255 }).map((codes) => String.fromCharCode(...codes)),
  fc.string({ minLength: 1, maxLength: 12 }).map((text) => text.replace(/[^\x21-\x7e]|\//g, '_')),
).filter((each) => each !== '.' && each !== '..');

const xattrs: fc.Arbitrary<readonly Xattr[]> = fc.uniqueArray(fc.oneof(
  { weight: 4, arbitrary: fc.record({ name: fc.stringMatching(/^(?:user|trusted|security)\.[a-z]{1,30}$/), value: fc.nat(300).map((size): Uint8Array => noise(size, size + 1)) }) },
  { weight: 1, arbitrary: fc.constant({ name: 'system.posix_acl_access', value: accessAcl }) },
), { selector: (xattr) => xattr.name, maxLength: 5 }).map((all) => all.sort((a, b) => (a.name < b.name ? -1 : 1)));

const attributes: fc.Arbitrary<Attributes> = fc.record({
  permissions: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_fffe })),
  gid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_fffe })),
  mtimeSeconds: fc.oneof(fc.integer({ min: -(2 ** 31), max: 3 * 2 ** 32 - 2 ** 31 - 1 }), fc.integer({ min: 3 * 2 ** 32, max: 2 ** 34 - 2 ** 31 - 1 })),
  mtimeNanoseconds: fc.integer({ min: 0, max: 999_999_999 }),
  xattrs: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: xattrs }),
});

const content: fc.Arbitrary<Content> = fc.tuple(
  fc.array(fc.tuple(fc.oneof(fc.constant(0), fc.nat(30_000)), fc.oneof(fc.nat(200), fc.nat(20_000))), { maxLength: 12 }), fc.oneof(fc.constant(0), fc.nat(1 << 24)),
).map(([steps, hole]) => {
  let at = 0;
  const pieces = steps.map(([gap, length]) => {
    const offset = at + gap;
    at = offset + length;
    return { offset, length, source: noise(length, at + 1), sourceOffset: 0 };
  }).filter(({ length }) => length > 0);
  return { size: at + hole, pieces };
});

const leaf: fc.Arbitrary<TreeNode> = fc.tuple(attributes, fc.oneof(
  { weight: 5, arbitrary: content.map((each) => ({ kind: 'file' as const, content: each })) },
  { weight: 2, arbitrary: fc.oneof(fc.integer({ min: 1, max: 140 }), fc.integer({ min: 1, max: 4095 })).map((length) => ({ kind: 'symlink' as const, target: 't/'.repeat(2048).slice(0, length) })) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('character-device' as const, 'block-device' as const), major: fc.nat(0xfff), minor: fc.nat(0xf_ffff) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('fifo' as const, 'socket' as const) }) },
)).map(([common, rest]) => ({ ...common, ...rest }));

/** A node and where it goes: one of the directories made so far, by a number taken modulo their count. */
const step = fc.record({
  parent: fc.nat(), name, padding: fc.oneof({ weight: 20, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(300) }),
  what: fc.oneof(
    { weight: 4, arbitrary: leaf.map((node) => ({ node })) },
    { weight: 2, arbitrary: attributes.map((common) => ({ newDirectory: common })) },
    { weight: 1, arbitrary: fc.nat().map((linkTo) => ({ linkTo })) },
  ),
});

export const arbitraryTree: fc.Arbitrary<DirectoryNode> = fc.tuple(attributes, fc.array(step, { maxLength: 60 })).map(([common, steps]) => {
  const root: DirectoryNode = { kind: 'directory', children: new Map(), ...common };
  const directories = [root];
  const others: TreeNode[] = [];
  for (const { parent, name: given, padding, what } of steps) {
    const { children } = directories[parent % directories.length]!;
    const node = 'node' in what ? what.node : 'newDirectory' in what
      ? { kind: 'directory' as const, children: new Map<ByteString, TreeNode>(), ...what.newDirectory } // a new one each time: shrinking uses the rest again
      : others[what.linkTo % Math.max(1, others.length)];
    if (node === undefined || children.has(given)) continue;
    children.set(given, node);
    if (node.kind === 'directory') directories.push(node);
    else others.push(node);
    // Now and then a directory gets so many names that it is indexed.
    for (let i = 0; i < padding && node.kind !== 'directory'; i++) if (!children.has(`${given.slice(0, 240)}+${i}`)) children.set(`${given.slice(0, 240)}+${i}`, node);
  }
  return root;
});
