/** What ext4 cannot hold is refused with a code, the path and, where there is one, a way out; nothing is bent to fit. */
import { describe, expect, test } from '@jest/globals';
import { ThawfsError, type ErrorCode } from '../../../src/errors.js';
import { layOutExt4, type Ext4Options } from '../../../src/ext4/writer/writer.js';
import type { DirectoryNode, TreeNode } from '../../../src/model/tree.js';
import { device, directory, file, symlink, xattr } from '../../helpers/nodes.js';

function refusal(root: DirectoryNode, options: Ext4Options = {}): ThawfsError {
  try {
    layOutExt4(root, options);
  } catch (error) {
    if (error instanceof ThawfsError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

const piece = (offset: number, length: number) => ({ offset, length, source: new Uint8Array(100), sourceOffset: 0 });

const nodes: Readonly<Record<string, readonly [ErrorCode, TreeNode]>> = {
  'a time before 1901': ['LIMIT_EXCEEDED', file('', { mtimeSeconds: -(2 ** 31) - 1 })],
  'a time after 2446': ['LIMIT_EXCEEDED', file('', { mtimeSeconds: 2 ** 34 - 2 ** 31 })],
  'a time that e2fsck mistakes, first second': ['LIMIT_EXCEEDED', file('', { mtimeSeconds: 3 * 2 ** 32 - 2 ** 31 })],
  'a time that e2fsck mistakes, last second': ['LIMIT_EXCEEDED', file('', { mtimeSeconds: 3 * 2 ** 32 - 1 })],
  'a fraction of a second': ['BAD_ARGUMENT', file('', { mtimeSeconds: 1.5 })],
  'a thousand million nanoseconds': ['BAD_ARGUMENT', file('', { mtimeNanoseconds: 1e9 })],
  'a uid of 33 bits': ['BAD_ARGUMENT', file('', { uid: 2 ** 32 })],
  'a negative gid': ['BAD_ARGUMENT', file('', { gid: -1 })],
  'file type bits among the permissions': ['BAD_ARGUMENT', file('', { permissions: 0o100644 })],
  'a file over 16 TiB': ['LIMIT_EXCEEDED', file({ size: 2 ** 44, pieces: [] })],
  'pieces out of order': ['BAD_ARGUMENT', file({ size: 100, pieces: [piece(50, 10), piece(0, 10)] })],
  'pieces that overlap': ['BAD_ARGUMENT', file({ size: 100, pieces: [piece(0, 60), piece(50, 10)] })],
  'a piece beyond the end': ['BAD_ARGUMENT', file({ size: 100, pieces: [piece(50, 51)] })],
  'a piece of negative length': ['BAD_ARGUMENT', file({ size: 100, pieces: [piece(50, -1)] })],
  'a piece at no number': ['BAD_ARGUMENT', file({ size: 100, pieces: [piece(NaN, 1)] })],
  'an empty symlink': ['BAD_ARGUMENT', symlink('')],
  'a symlink with a NUL': ['BAD_ARGUMENT', symlink('a\0b')],
  'a symlink of 4096 bytes': ['LIMIT_EXCEEDED', symlink('s'.repeat(4096))],
  'a device of major 4096': ['LIMIT_EXCEEDED', device('block-device', 4096, 0)],
  'a device of minor 2^20': ['LIMIT_EXCEEDED', device('block-device', 0, 2 ** 20)],
  'a negative device number': ['BAD_ARGUMENT', device('block-device', 0, -1)],
  'an attribute over a block': ['LIMIT_EXCEEDED', file('', { xattrs: [xattr('user.a', 'x'.repeat(4041))] })],
  'attributes over a block and the inode': ['LIMIT_EXCEEDED', file('', { xattrs: [xattr('user.a', 'x'.repeat(3000)), xattr('user.b', 'x'.repeat(1100))] })],
  'an attribute of no known kind': ['BAD_ARGUMENT', file('', { xattrs: [xattr('strange.a', 'x')] })],
  'an attribute of the system': ['BAD_ARGUMENT', file('', { xattrs: [xattr('system.data', 'x')] })],
  'an attribute without a name': ['BAD_ARGUMENT', file('', { xattrs: [xattr('user.', 'x')] })],
  'an attribute twice': ['BAD_ARGUMENT', file('', { xattrs: [xattr('user.a', 'x'), xattr('user.a', 'y')] })],
  'an attribute name of 256 bytes': ['BAD_ARGUMENT', file('', { xattrs: [xattr(`user.${'n'.repeat(256)}`, 'x')] })],
  'an ACL cut short': ['BAD_FIELD', file('', { xattrs: [xattr('system.posix_acl_access', Uint8Array.of(2, 0, 0, 0, 1))] })],
  'an ACL of version 1': ['BAD_FIELD', file('', { xattrs: [xattr('system.posix_acl_access', Uint8Array.of(1, 0, 0, 0))] })],
  'an ACL with an unknown tag': ['BAD_FIELD', file('', { xattrs: [xattr('system.posix_acl_access', Uint8Array.of(2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0))] })],
};

describe('nodes', () => {
  for (const [name, [code, node]] of Object.entries(nodes)) {
    test(`${name}: ${code}, naming the path`, () => {
      const error = refusal(directory({ d: directory({ 'the-node': node }) }));
      expect(error.code).toBe(code);
      expect(error.message).toMatch(/^\/d\/the-node: /);
      expect(error.detail['path']).toBe('/d/the-node');
      if (code === 'LIMIT_EXCEEDED') expect(error.suggestions).toHaveLength(1);
    });
  }

  test('65,001 names of one file; 65,000 are allowed', () => {
    const node = file();
    const named = (count: number): DirectoryNode => directory(Array.from({ length: count }, (_, i) => [`n${i}`, node] as const));
    expect(layOutExt4(named(65_000)).inodeCount).toBe(2);
    expect(refusal(named(65_001)).code).toBe('LIMIT_EXCEEDED');
  });
});

describe('names', () => {
  test.each(['', '.', '..', 'a/b', 'a\0b', 'n'.repeat(256)])('%p', (name) => {
    expect(refusal(directory({ [name]: file() })).code).toBe('BAD_ARGUMENT');
  });

  test('a directory with two names, or inside itself', () => {
    const twice = directory();
    expect(refusal(directory({ a: twice, b: twice })).code).toBe('BAD_ARGUMENT');
    const loop = directory();
    loop.children.set('me', loop);
    expect(refusal(loop).code).toBe('BAD_ARGUMENT');
  });
});

describe('options', () => {
  test.each<[string, Ext4Options]>([
    ['a uuid of 15 bytes', { uuid: new Uint8Array(15) }],
    ['a volume name of 17 bytes', { volumeName: 'é23456789abcdefg' }],
    ['a negative size', { size: -1 }],
    ['half a byte free', { freeBytes: 0.5 }],
    ['size and free space', { size: 1e9, freeBytes: 1 }],
    ['a journal too small for the kernel', { journal: 1e6 }],
    ['a journal too large for one inode', { journal: 513 << 20 }],
    ['a journal of no size', { journal: NaN }],
  ])('%s', (_, options) => {
    expect(refusal(directory(), options).code).toBe('BAD_ARGUMENT');
  });

  test('fs-verity metadata of half a block', () => {
    const node = file('x');
    expect(refusal(directory({ f: node }), { verityTrees: new Map([[node, new Uint8Array(2048)]]) }).code).toBe('BAD_ARGUMENT');
  });

  test.each<[string, Ext4Options]>([['a size', { size: 2 ** 45 }], ['free space', { freeBytes: 2 ** 45 }]])('%s beyond 16 TiB is what has to be less, not the tree', (_, options) => {
    expect(refusal(directory(), options)).toMatchObject({ code: 'LIMIT_EXCEEDED', suggestions: ['Ask for a smaller size, or less free space.'] });
  });

  test('a size that is too small says which size is enough, and that size is', () => {
    const tree = directory({ f: file('x'.repeat(100_000)), d: directory() });
    const error = refusal(tree, { size: 4096 });
    expect(error.code).toBe('LIMIT_EXCEEDED');
    const needed = error.detail['needed'] as number;
    expect(layOutExt4(tree, { size: needed }).size).toBe(needed);
    expect(refusal(tree, { size: needed - 4096 }).detail['needed']).toBe(needed);
    expect(layOutExt4(tree, { size: needed - 4095 }).size).toBe(needed);
  });
});
