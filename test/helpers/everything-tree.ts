/** A tree in memory with every kind of thing that ext4 can hold, each at its edges. */
import type { DirectoryNode, TreeNode } from '../../src/model/tree.js';
import { aclValue, longName, noise, rawName } from './make-tree.js';
import { device, directory, file, pipe, sparse, symlink, xattr } from './nodes.js';

const MiB = 1 << 20;
const GiB = 1 << 30;

/** ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER */
export const accessAcl = aclValue([[1, 6], [2, 4, 1000], [4, 4], [8, 6, 70_000], [0x10, 6], [0x20, 4]]);
export const defaultAcl = aclValue([[1, 7], [2, 5, 1000], [4, 5], [0x10, 5], [0x20, 0]]);
export const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

export function everythingTree(): DirectoryNode {
  const linked = file('one file, three names', { mtimeNanoseconds: 1 });
  return directory({
    'empty': file(),
    'one-byte': file('x'),
    'block': file(noise(4096, 1)),
    'block-and-a-byte': file(noise(4097, 2)),
    'megabyte': file(noise(MiB + 13, 3)),
    [longName]: file('long name'),
    [rawName]: file('raw name'),
    'control\n\t\x01': file('control characters'),
    'link-1': linked, 'other': directory({ 'link-2': linked, 'deeper': directory({ 'link-3': linked }) }),
    'modes': directory({
      setuid: file('s', { permissions: 0o4755 }), setgid: file('g', { permissions: 0o2711 }), sticky: directory({}, { permissions: 0o1777 }),
      none: file('n', { permissions: 0 }), all: file('a', { permissions: 0o7777 }),
    }),
    'ids': directory({
      small: file('', { uid: 1, gid: 2 }), wide: file('', { uid: 65_536, gid: 1_234_567 }), most: file('', { uid: 0xffff_fffe, gid: 0xffff_fffe }),
      wideDirectory: directory({}, { uid: 100_000, gid: 200_000 }),
    }),
    'times': directory({
      epoch: file('', { mtimeSeconds: 0, mtimeNanoseconds: 0 }), before: file('', { mtimeSeconds: -1, mtimeNanoseconds: 999_999_999 }),
      first: file('', { mtimeSeconds: -(2 ** 31), mtimeNanoseconds: 1 }), y2038: file('', { mtimeSeconds: 2 ** 31, mtimeNanoseconds: 2 }),
      y2310: file('', { mtimeSeconds: 3 * 2 ** 32 - 2 ** 31 - 1, mtimeNanoseconds: 4 }), y2378: file('', { mtimeSeconds: 3 * 2 ** 32, mtimeNanoseconds: 5 }),
      y2106: file('', { mtimeSeconds: 2 ** 32 + 5, mtimeNanoseconds: 3 }), last: file('', { mtimeSeconds: 2 ** 34 - 2 ** 31 - 1, mtimeNanoseconds: 999_999_999 }),
    }),
    'symlinks': directory(Object.fromEntries([1, 59, 60, 61, 128, 129, 255, 4095].map((length): [string, TreeNode] => [`length-${length}`, symlink('t/'.repeat(2048).slice(0, length))]))),
    'special': directory({
      'null': device('character-device', 1, 3), 'old-most': device('block-device', 255, 255), 'wide-minor': device('block-device', 8, 256),
      'wide-major': device('character-device', 256, 0), 'most': device('character-device', 0xfff, 0xf_ffff),
      'pipe': pipe('fifo'), 'socket': pipe('socket'),
    }),
    'xattrs': directory({
      small: file('a', { xattrs: [xattr('user.a', '1')] }),
      empty: file('b', { xattrs: [xattr('user.empty', ''), xattr('user.full', 'f')] }),
      'full-body': file('c', { xattrs: [xattr('user.body', 'v'.repeat(68))] }),
      'over-body': file('d', { xattrs: [xattr('user.body', 'v'.repeat(69))] }),
      'body-and-block': file('e', { xattrs: [xattr('user.large', 'l'.repeat(4000)), xattr('user.small', 's'.repeat(40))] }),
      'whole-block': file('f', { xattrs: [xattr('user.largest', 'w'.repeat(4036))] }),
      'many': file('g', { xattrs: Array.from({ length: 40 }, (_, i) => xattr(`user.${'n'.repeat(i + 1)}`, `${i}`)) }),
      'longest-name': file('h', { xattrs: [xattr(`user.${'n'.repeat(250)}`, 'v')] }),
      'capability': file('i', { xattrs: [xattr('security.capability', capability)] }),
      'trusted': file('j', { xattrs: [xattr('trusted.t', Uint8Array.of(0, 1, 2, 255))] }),
      'acl': file('k', { permissions: 0o664, xattrs: [xattr('system.posix_acl_access', accessAcl)] }),
      'acl-directory': directory({ inside: file('l') }, {
        permissions: 0o764, xattrs: [xattr('system.posix_acl_access', accessAcl), xattr('system.posix_acl_default', defaultAcl), xattr('user.too', 'x'.repeat(100))],
      }),
      'of-symlink': symlink('nowhere', { xattrs: [xattr('trusted.s', 'on a symlink')] }),
      'of-device': device('character-device', 1, 5, { xattrs: [xattr('trusted.d', 'on a device')] }),
      ...Object.fromEntries(Array.from({ length: 5 }, (_, i): [string, TreeNode] => [`shared-${i}`, file('s', { xattrs: [xattr('user.shared', 'same for all '.repeat(20))] })])),
    }),
    'sparse': directory({
      'only-hole': file(sparse(10 * MiB + 1, {})),
      'hole-first': file(sparse(MiB, { [MiB - 100]: noise(100, 4) })),
      'hole-last': file(sparse(MiB, { 0: noise(10, 5) })),
      'short-gap': file(sparse(20_000, { 100: noise(50, 6), 300: noise(50, 7), 8000: noise(200, 8), 12_288: noise(10, 9) })),
      'four-extents': file(sparse(MiB, Object.fromEntries([0, 1, 2, 3].map((i) => [i * 100_000, noise(5000, i)])))),
      'five-extents': file(sparse(MiB, Object.fromEntries([0, 1, 2, 3, 4].map((i) => [i * 100_000, noise(5000, i)])))),
      'six-gibibytes': file(sparse(6 * GiB, { 0: noise(5000, 10), [3 * GiB + 77]: noise(9000, 11), [6 * GiB - 10]: noise(10, 12) })),
      'largest': file(sparse(16_384 * GiB - 4096, { [16_384 * GiB - 8192]: noise(4096, 13) })),
    }),
    'one-block-directory': directory(Object.fromEntries(Array.from({ length: 200 }, (_, i): [string, TreeNode] => [`name-${String(i).padStart(4, '0')}`, file(`${i}`)]))),
    'indexed-directory': directory(Object.fromEntries(Array.from({ length: 900 }, (_, i): [string, TreeNode] => [`a-rather-longer-name-${String(i).padStart(5, '0')}`, file()]))),
  }, { permissions: 0o711, uid: 3, gid: 4, mtimeSeconds: 1_600_000_000, mtimeNanoseconds: 987_654_321, xattrs: [xattr('user.root', 'of the root')] });
}
