/** Archives written byte by byte: each rule of the formats, and each way to break one. */
import { writeFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { walk } from '../../../src/model/tree.js';
import type { FileNode, TreeNode } from '../../../src/model/tree.js';
import { readTar } from '../../../src/tree/from-tar.js';
import type { ReadTarOptions } from '../../../src/tree/from-tar.js';
import { archive, end, entry, pax, paxRecord } from '../../helpers/tar-writer.js';
import { aclValue } from '../../helpers/make-tree.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { readContent } from '../../helpers/tree-model.js';

async function nodesOf(bytes: Uint8Array, options: ReadTarOptions = {}): Promise<Map<string, TreeNode>> {
  const source = await readTar(Readable.from([bytes]), options);
  const nodes = new Map([...walk(source.root)].map(({ path, node }) => [path, node]));
  contents.clear();
  for (const [path, node] of nodes) if (node.kind === 'file' && node.content.size < 1e6) contents.set(path, readContent(node.content).toString('latin1'));
  source.dispose();
  return nodes;
}
/** Of the archive read last. */
const contents = new Map<string, string>();

const base256 = (value: bigint, size: number): Uint8Array => Buffer.from(BigInt.asUintN(8 * size, value | (value >= 0n ? 1n << BigInt(8 * size - 1) : 0n)).toString(16).padStart(2 * size, '0'), 'hex');

describe('names', () => {
  test('POSIX prefix, GNU long name and link, pax path: each over the one before', async () => {
    const prefixed = (block: Buffer): void => { block.write('some/where', 345, 'latin1'); };
    const nodes = await nodesOf(archive(
      entry({ name: 'posix', patch: prefixed }),
      entry({ name: 'gnu', patch: prefixed, magic: 'ustar  \0' }),
      entry({ name: '././@LongLink', type: 'L', data: `${'l'.repeat(120)}\0` }), entry({ name: 'cut' }),
      entry({ name: 'x', type: 'K', data: `${'t'.repeat(120)}\0` }), entry({ name: 'link', type: '2', linkName: 'cut' }),
      entry({ name: 'x', type: 'L', data: 'loses\0' }), pax({ path: 'wins' }), entry({ name: 'cut' }),
      entry({ name: 'after' }),
    ));
    expect([...nodes.keys()].sort()).toEqual(['', 'after', 'gnu', 'l'.repeat(120), 'link', 'some', 'some/where', 'some/where/posix', 'wins'].sort());
    expect(nodes.get('link')).toMatchObject({ target: 't'.repeat(120) });
  });

  test('leading slashes, dots and doubled slashes do not count; missing parents are plain directories', async () => {
    const { root, warnings } = await readTar(Readable.from([archive(entry({ name: '//a/./b//c', uid: 5, mtime: 9 }), entry({ name: './', type: '5', mode: 0o700 }))]));
    expect([...walk(root)].map(({ path }) => path)).toEqual(['', 'a', 'a/b', 'a/b/c']);
    expect(root).toMatchObject({ permissions: 0o700 });
    expect(root.children.get('a')).toMatchObject({ permissions: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0 });
    expect(warnings).toEqual(['Leading slashes were removed from member names.']);
  });

  test.each(['../evil', 'a/../../evil', 'a/..', '..'])('%s is refused', async (name) => {
    await expect(nodesOf(archive(entry({ name })))).rejects.toMatchObject({ code: 'BAD_FIELD' });
    await expect(nodesOf(archive(pax({ path: name }), entry({})))).rejects.toMatchObject({ code: 'BAD_FIELD' });
  });

  test.each([['NUL', 'a\0b'], ['256 bytes', 'n'.repeat(256)], ['a path of 5000 bytes', 'p/'.repeat(2500)]])('a name with %s is refused', async (_, name) => {
    await expect(nodesOf(archive(pax({ path: name }), entry({})))).rejects.toMatchObject({ code: 'BAD_FIELD' });
  });
});

describe('numbers', () => {
  test('octal with blanks, base-256 with sign, pax over both', async () => {
    const nodes = await nodesOf(archive(
      entry({ name: 'blank', mtime: Buffer.from('   17 \0\0\0\0\0\0') }), entry({ name: 'reused', mtime: Buffer.from('17\x000000777\0\0') }), entry({ name: 'pushed', mtime: Buffer.from('\x0017\0\0\0\0\0\0\0\0\0') }),
      entry({ name: 'large', mtime: base256(1n << 40n, 12) }),
      entry({ name: 'negative', mtime: base256(-5n, 12) }),
      pax({ mtime: '-1.5', uid: '4294967295', gid: '7' }), entry({ name: 'pax' }),
      pax({ mtime: '-0.0000000001' }), entry({ name: 'barely' }),
      pax({ mtime: '12.' }), entry({ name: 'whole' }),
    ));
    const time = (name: string): number[] => [nodes.get(name)!.mtimeSeconds, nodes.get(name)!.mtimeNanoseconds];
    expect(['blank', 'reused', 'pushed', 'large', 'negative', 'pax', 'barely', 'whole'].map(time)).toEqual([[15, 0], [15, 0], [15, 0], [2 ** 40, 0], [-5, 0], [-2, 500_000_000], [-1, 999_999_999], [12, 0]]);
    expect(nodes.get('pax')).toMatchObject({ uid: 4_294_967_295, gid: 7 });
  });

  test.each<[string, Buffer]>([
    ['letters in an octal field', entry({ size: Buffer.from('0000000000z\0') })],
    ['a size above 2^53', entry({ size: base256(1n << 60n, 12) })],
    ['a negative size', entry({ size: base256(-1n, 12) })],
    ['a pax size that is none', Buffer.concat([pax({ size: '-1' }), entry({})])],
    ['a uid above 2^32-1', Buffer.concat([pax({ uid: '4294967296' }), entry({})])],
    ['a pax time that is none', Buffer.concat([pax({ mtime: 'now' }), entry({})])],
    ['a device that is none', entry({ type: '3', deviceMajor: 5000 })],
    ['a symlink to nothing', entry({ type: '2' })],
    ['a symlink too long', Buffer.concat([pax({ linkpath: 'x'.repeat(4096) }), entry({ type: '2' })])],
  ])('%s is refused', async (_, member) => {
    await expect(nodesOf(archive(member))).rejects.toMatchObject({ code: 'BAD_FIELD' });
  });
});

describe('pax headers', () => {
  test('global records hold until replaced; an empty value takes a record back', async () => {
    const nodes = await nodesOf(archive(
      pax({ mtime: '100', comment: 'x' }, 'g'), entry({ name: 'a', mtime: 1 }),
      pax({ mtime: '200' }), entry({ name: 'b', mtime: 1 }), pax({ mtime: '' }), entry({ name: 'c', mtime: 1 }),
      pax({ mtime: '' }, 'g'), entry({ name: 'd', mtime: 1 }),
    ));
    expect(['a', 'b', 'c', 'd'].map((name) => nodes.get(name)!.mtimeSeconds)).toEqual([100, 200, 1, 1]);
  });

  test('attributes in both spellings, sorted; labels of the machine are left out', async () => {
    const nodes = await nodesOf(archive(pax({
      'SCHILY.xattr.user.b': '\0\xff\n=', 'SCHILY.xattr.user.empty': '', 'SCHILY.xattr.user.%3D%25%41': 'x', 'SCHILY.xattr.security.selinux': 'label',
      'LIBARCHIVE.xattr.user.%61%20': Buffer.from('decoded').toString('base64').replace(/=+$/, ''), 'LIBARCHIVE.xattr.user.b': 'AAAA',
    }), entry({})));
    expect(nodes.get('f')!.xattrs.map(({ name, value }) => [name, Buffer.from(value).toString('latin1')])).toEqual([
      ['user.=%%41', 'x'], ['user.a ', 'decoded'], ['user.b', '\0\xff\n='], ['user.empty', ''],
    ]);
  });

  test('ACLs: text with comments, names or ids, in any order, becomes what the kernel has', async () => {
    const nodes = await nodesOf(archive(pax({
      'SCHILY.acl.access': 'other::r--\nmask::rwx\t#effective\ngroup:whoever:rw-:77,user:5:r-x\nuser:3:--x\nuser::rwx\ngroup::r--\n', 'SCHILY.acl.default': 'u::rwx,g::r-x,o::---',
    }), entry({ name: 'd', type: '5' }), pax({ 'SCHILY.acl.access': 'user::rw-\ngroup::r--\nother::r--\n' }), entry({ name: 'minimal' })));
    expect(nodes.get('d')!.xattrs).toEqual([
      { name: 'system.posix_acl_access', value: new Uint8Array(aclValue([[1, 7], [2, 1, 3], [2, 5, 5], [4, 4], [8, 6, 77], [16, 7], [32, 4]])) },
      { name: 'system.posix_acl_default', value: new Uint8Array(aclValue([[1, 7], [4, 5], [32, 0]])) },
    ]);
    expect(nodes.get('minimal')!.xattrs).toEqual([]);
  });

  test('ACLs: the mode is what the ACL makes of it: the mask stands for the group, as the kernel writes it', async () => {
    const named = aclValue([[1, 6], [2, 1, 1000], [4, 0], [16, 7], [32, 4]]);
    const minimal = aclValue([[1, 7], [4, 5], [32, 1]]);
    const nodes = await nodesOf(archive(
      pax({ 'SCHILY.acl.access': 'user::rw-,user:5:r-x,group::r--,mask::r-x,other::---' }), entry({ name: 'text', mode: 0o4744 }),
      pax({ 'SCHILY.xattr.system.posix_acl_access': Buffer.from(named).toString('latin1') }), entry({ name: 'named', mode: 0o600 }),
      pax({ 'SCHILY.xattr.system.posix_acl_access': Buffer.from(minimal).toString('latin1') }), entry({ name: 'minimal', mode: 0o600 }),
      pax({ 'SCHILY.acl.default': 'u::rwx,g::r-x,o::---' }), entry({ name: 'd', type: '5', mode: 0o711 }),
    ));
    expect(['text', 'named', 'minimal', 'd'].map((name) => nodes.get(name)!.permissions.toString(8))).toEqual(['4650', '674', '751', '711']);
  });

  test('symlinks have the mode that all symlinks of Linux have', async () => {
    const nodes = await nodesOf(archive(entry({ name: 'l', type: '2', linkName: 'x', mode: 0o644 })));
    expect(nodes.get('l')!.permissions).toBe(0o777);
  });

  test('ACLs: the attribute itself comes before the text, whose names another machine may not know', async () => {
    const value = aclValue([[1, 6], [2, 4, 1000], [4, 4], [16, 4], [32, 4]]);
    const records = pax({ 'SCHILY.acl.access': 'user::rw-,user:no-such-user-here:r--,group::r--,mask::r--,other::r--', 'SCHILY.xattr.system.posix_acl_access': Buffer.from(value).toString('latin1') });
    const nodes = await nodesOf(archive(records, entry({ name: 'f' })));
    expect(nodes.get('f')!.xattrs).toEqual([{ name: 'system.posix_acl_access', value: new Uint8Array(value) }]);
  });

  test.each<[string, string, string]>([
    ['no length', 'path=x\n', 'BAD_FIELD'], ['a length too long', '99 path=x\n', 'BAD_FIELD'], ['a length too short', '5 path=x\n', 'BAD_FIELD'],
    ['no newline', '9 path=xy', 'BAD_FIELD'], ['no key', '5 =x\n', 'BAD_FIELD'], ['no sign', '7 path\n', 'BAD_FIELD'], ['length zero', '0 path=x\n', 'BAD_FIELD'],
    ['an unknown name in an ACL', paxRecord('SCHILY.acl.access', 'user:no-such-user-here:r--,mask::r--'), 'BAD_FIELD'], ['nonsense as ACL', paxRecord('SCHILY.acl.access', 'x::rwx'), 'BAD_FIELD'],
    ['base64 that is none', paxRecord('LIBARCHIVE.xattr.user.x', '???'), 'BAD_FIELD'],
    ['an attribute of 65537 bytes', paxRecord('SCHILY.xattr.user.x', 'x'.repeat(65537)), 'LIMIT_EXCEEDED'],
    ['2 MiB of records', paxRecord('comment', 'x'.repeat(2 << 20)), 'LIMIT_EXCEEDED'],
  ])('%s is refused', async (_, data, code) => {
    await expect(nodesOf(archive(entry({ type: 'x', data }), entry({})))).rejects.toMatchObject({ code });
  });
});

describe('sparse files', () => {
  const octal = (value: number): string => `${value.toString(8).padStart(11, '0')}\0`;
  const old = (runs: readonly (readonly [number, number])[], size: number, data: string, more: Buffer = Buffer.alloc(0)): Buffer => {
    const member = entry({ name: 's', type: 'S', data, magic: 'ustar  \0', patch: (block) => {
      block.write(runs.map(([offset, length]) => octal(offset) + octal(length)).join(''), 386, 'latin1');
      block[482] = more.length > 0 ? 1 : 0;
      block.write(octal(size), 483, 'latin1');
    } });
    return Buffer.concat([member.subarray(0, 512), more, member.subarray(512)]);
  };
  const ranges = (node: TreeNode | undefined): number[][] => [...(node as FileNode).content.pieces].map(({ offset, length }) => [offset, length]);

  test('the old form, with a block of more runs', async () => {
    const extension = Buffer.alloc(512);
    extension.write(octal(40960) + octal(1) + octal(50000) + octal(0), 'latin1');
    const nodes = await nodesOf(archive(old([[0, 512], [8192, 512], [12288, 0], [20480, 2]], 50000, `${'a'.repeat(512)}${'b'.repeat(512)}ccd`, extension), entry({ name: 'next' })));
    expect(contents.get('s')).toBe('a'.repeat(512).padEnd(8192, '\0').concat('b'.repeat(512)).padEnd(20480, '\0').concat('cc').padEnd(40960, '\0').concat('d').padEnd(50000, '\0'));
    // No window of it is zero, so it is covered without gaps, as a scan of the disk would find it.
    const covered = ranges(nodes.get('s'));
    expect(covered.map(([offset, length]) => offset! + length!)).toEqual([...covered.slice(1).map(([offset]) => offset), 50000]);
    expect(nodes.has('next')).toBe(true);
  });

  test('zeros inside a run, and runs that meet in one block', async () => {
    const nodes = await nodesOf(archive(old([[100, 10], [200, 10]], 300_000, 'x'.repeat(10) + '\0'.repeat(10))));
    expect(ranges(nodes.get('s'))).toEqual([[0, 100], [100, 10], [110, 4096 - 110]]);
  });

  test.each<[string, Buffer, string]>([
    ['runs that overlap', old([[0, 10], [5, 10]], 100, 'x'.repeat(20)), 'BAD_FIELD'],
    ['runs behind the end', old([[95, 10]], 100, 'x'.repeat(10)), 'BAD_FIELD'],
    ['runs that do not add up', old([[0, 5]], 100, 'x'.repeat(10)), 'BAD_FIELD'],
    ['a size that is none', old([[0, 5]], 0, 'x'.repeat(5)), 'BAD_FIELD'],
    ['0.1, an odd number of numbers', Buffer.concat([pax({ 'GNU.sparse.size': '9', 'GNU.sparse.map': '0,1,2' }), entry({ data: 'x' })]), 'BAD_FIELD'],
    ['1.0, a map longer than the data', Buffer.concat([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }), entry({ data: `200\n${'1\n'.repeat(254)}` })]), 'BAD_FIELD'],
    ['1.0, a number without end', Buffer.concat([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }), entry({ data: '1'.repeat(2048) })]), 'BAD_FIELD'],
    ['1.0, two thousand million runs', Buffer.concat([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '9' }), entry({ data: '2000000000\n'.padEnd(512, '0') })]), 'LIMIT_EXCEEDED'],
    ['2.0', Buffer.concat([pax({ 'GNU.sparse.major': '2', 'GNU.sparse.minor': '0' }), entry({})]), 'VERSION_UNSUPPORTED'],
  ])('%s: refused', async (_, member, code) => {
    await expect(nodesOf(archive(member))).rejects.toMatchObject({ code });
  });
});

describe('links and what is in the way', () => {
  test('the last entry of a name wins; a hard link keeps what it linked to', async () => {
    const nodes = await nodesOf(archive(
      entry({ name: 'a', data: 'one' }), entry({ name: 'b', type: '1', linkName: '/a', size: 999 }), entry({ name: 'a', data: 'two' }), entry({ name: 'c', type: '1', linkName: './a' }),
      entry({ name: 'd', type: '5', mode: 0o700 }), entry({ name: 'd/x' }), entry({ name: 'd', type: '5', mode: 0o711 }), entry({ name: 'd/', data: '' }),
      entry({ name: 'e/x' }), entry({ name: 'e', data: 'file now' }),
    ));
    expect([...contents]).toEqual([['a', 'two'], ['b', 'one'], ['c', 'two'], ['d/x', ''], ['e', 'file now']]);
    expect(nodes.get('a')).toBe(nodes.get('c'));
    expect(nodes.get('d')!.permissions).toBe(0o644);
  });

  test.each<[string, Buffer[]]>([
    ['a file through a symlink', [entry({ name: 'x', type: '2', linkName: '/etc' }), entry({ name: 'x/passwd', data: 'evil' })]],
    ['a file through a relative symlink', [entry({ name: 'd/y' }), entry({ name: 'x', type: '2', linkName: 'd' }), entry({ name: 'x/y', data: 'evil' })]],
    ['a file through a file', [entry({ name: 'x' }), entry({ name: 'x/y' })]],
    ['a hard link to what is not there', [entry({ name: 'x', type: '1', linkName: 'nothing' })]],
    ['a hard link to itself', [entry({ name: 'x', type: '1', linkName: 'x' })]],
    ['a hard link outside', [entry({ name: 'x', type: '1', linkName: '../../etc/passwd' })]],
    ['a hard link to a directory', [entry({ name: 'd', type: '5' }), entry({ name: 'x', type: '1', linkName: 'd' })]],
    ['a hard link through a symlink', [entry({ name: 'x', type: '2', linkName: '/etc' }), entry({ name: 'y', type: '1', linkName: 'x/passwd' })]],
    ['a file as the root', [entry({ name: './' , type: '2', linkName: 'x' })]],
  ])('%s is refused', async (_, members) => {
    await expect(nodesOf(archive(...members))).rejects.toMatchObject({ code: 'BAD_FIELD' });
  });
});

describe('kinds', () => {
  test('all of them', async () => {
    const nodes = await nodesOf(archive(
      entry({ name: 'vol', type: 'V', size: 0 }), entry({ name: 'file', type: '\0', magic: '' }), entry({ name: 'contiguous', type: '7', data: 'x' }), entry({ name: 'olddir/', type: '\0', magic: '' }),
      entry({ name: 'dumpdir', type: 'D', data: 'Yfile\0\0' }), entry({ name: 'c', type: '3', deviceMajor: 4, deviceMinor: 255 }), entry({ name: 'b', type: '4', deviceMajor: 8, deviceMinor: 0o1000000 }), entry({ name: 'p', type: '6' }),
    ));
    expect([...nodes].slice(1).map(([path, { kind }]) => `${path} ${kind}`)).toEqual([
      'b block-device', 'c character-device', 'contiguous file', 'dumpdir directory', 'file file', 'olddir directory', 'p fifo',
    ]);
    expect(nodes.get('b')).toMatchObject({ major: 8, minor: 262_144 });
  });

  test.each(['M', 'N', 'A', 'z', '\xff'])('type %j is not spoken', async (type) => {
    await expect(nodesOf(archive(entry({ type })))).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED' });
  });
});

describe('damage', () => {
  const small = archive(pax({ path: 'some/name', 'SCHILY.xattr.user.x': 'y' }), entry({ data: 'x'.repeat(700) }), entry({ name: 'l', type: '2', linkName: 't' }));

  test('cut anywhere before its end mark: TRUNCATED, as a file and as a stream', () => withTempDir(async (directory) => {
    for (let length = 0; length <= small.length - end.length; length += length % 512 === 0 || length % 512 === 511 ? 1 : 73) {
      const cut = small.subarray(0, length);
      await expect(nodesOf(cut)).rejects.toMatchObject({ code: 'TRUNCATED' });
      writeFileSync(`${directory}/cut.tar`, cut);
      await expect(readTar(`${directory}/cut.tar`)).rejects.toMatchObject({ code: 'TRUNCATED' });
    }
  }));

  test('compressed and cut anywhere, or with a flipped bit: a typed error, or not a wrong byte', async () => {
    const packed = gzipSync(small);
    for (let length = 1; length < packed.length; length++) {
      await expect(nodesOf(packed.subarray(0, length))).rejects.toMatchObject({ name: 'ThawfsError' });
    }
    for (let bit = 8 * 10; bit < 8 * packed.length; bit += 7) {
      const bad = Buffer.from(packed);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      // Deflate has bits without a meaning.
      const outcome = await nodesOf(bad).then(() => contents.get('some/name'), (error: unknown) => error);
      if (typeof outcome === 'string') expect(outcome).toBe('x'.repeat(700));
      else expect(outcome).toMatchObject({ name: 'ThawfsError' });
    }
  });

  test('a flipped bit in a header: CHECKSUM_MISMATCH', async () => {
    for (const at of [0, 100, 124, 136, 156, 157, 257, 345]) {
      const bad = Buffer.from(small);
      bad[1024 + at]! ^= 1;
      await expect(nodesOf(bad)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
    }
  });

  test('checksums of old archivers, made with signed bytes, are taken', async () => {
    const signed = entry({ name: '\xff\xfe' }).subarray(0, 512).reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte << 24 >> 24), 0);
    expect((await nodesOf(archive(entry({ name: '\xff\xfe', checksum: signed })))).has('\xff\xfe')).toBe(true);
    await expect(nodesOf(archive(entry({ checksum: 1 })))).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  test('a size far beyond the archive: TRUNCATED, at once and without the memory', async () => {
    await expect(nodesOf(archive(entry({ size: base256(1n << 52n, 12), data: 'x' })))).rejects.toMatchObject({ code: 'TRUNCATED' });
  });

  test('what follows the end mark is not read, and said', async () => {
    const { root, warnings } = await readTar(Readable.from([Buffer.concat([archive(entry({ name: 'a' })), entry({ name: 'b' })])]));
    expect([...root.children.keys()]).toEqual(['a']);
    expect(warnings).toHaveLength(1);
    expect((await readTar(Readable.from([Buffer.concat([archive(entry({})), Buffer.alloc(5000)])]))).warnings).toEqual([]);
  });

  test('text is no archive; other compressions name the command', async () => {
    await expect(nodesOf(Buffer.from('hello\n'.repeat(200)))).rejects.toMatchObject({ code: 'BAD_MAGIC' });
    // A file system, whose first block is mostly empty: an archive of nothing at first sight.
    await expect(nodesOf(Buffer.concat([end, Buffer.from('superblock'), end]))).rejects.toMatchObject({ code: 'BAD_MAGIC' });
    for (const [magic, command] of [['BZh91A', 'bzcat'], ['\xfd7zXZ\0', 'xzcat'], ['\x04"M\x18..', 'lz4cat']] as const) {
      await expect(nodesOf(Buffer.from(magic, 'latin1'))).rejects.toMatchObject({ code: 'FEATURE_UNSUPPORTED', suggestions: [expect.stringContaining(command)] });
    }
  });

  test('more entries than memory allows: LIMIT_EXCEEDED', async () => {
    const many = Array.from({ length: 200 }, (_, i) => entry({ name: `f${i}` }));
    await expect(nodesOf(archive(...many), { memoryLimit: 100_000 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    const deep = Array.from({ length: 20 }, (_, i) => entry({ name: `${i}/a/b/c/d/e/f/g/h` }));
    await expect(nodesOf(archive(...deep), { memoryLimit: 100_000 })).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  test('a signal ends it with its reason, even while a stream says nothing', async () => {
    const controller = new AbortController();
    const silent = new Readable({ read: () => undefined });
    const reading = readTar(silent, { signal: controller.signal });
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason), 20);
    await expect(reading).rejects.toBe(reason);
  });

  test('no room for the temporary file is said with where', async () => {
    await expect(nodesOf(archive(entry({ data: 'x' })), { spoolDirectory: '/nowhere' })).rejects.toMatchObject({ code: 'PATH_MISSING', message: expect.stringContaining('/nowhere') });
  });
});
