/**
 * One tree on disk with every kind of thing that an image must keep. The same call makes the same tree, apart from what the
 * file system adds of itself. What needs root (ids, devices, capabilities, trusted attributes) is left out for others.
 */
import { chmodSync, closeSync, ftruncateSync, lchownSync, linkSync, mkdirSync, openSync, readdirSync, lstatSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { toBytes, fromText } from '../../src/bytes/byte-string.js';
import type { ByteString } from '../../src/bytes/byte-string.js';
import { typeBits } from '../../src/model/tree.js';
import { cPath } from '../../src/sys/c-path.js';
import { makeNode, setModificationTime } from '../../src/sys/inode.js';
import { setXattr } from '../../src/sys/xattr.js';

export interface MakeTreeOptions {
  /** Make what only root can; default: whether we are root. */
  readonly privileged?: boolean;
}

/** A name of 255 bytes. */
export const longName: ByteString = 'n'.repeat(255);
/** A name that is no UTF-8. */
export const rawName: ByteString = 'raw-\xff\xfe-\x80name';

/** @returns bytes that do not compress to nothing and depend on `seed` only (xorshift32). */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed * 2654435761 >>> 0 || 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13; state ^= state >>> 17; state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

type AclEntry = readonly [tag: number, permissions: number, id?: number];

/** @returns an ACL as getxattr(2) gives it: version 2, then tag, permissions and id of each entry (linux/posix_acl_xattr.h). */
export function aclValue(entries: readonly AclEntry[]): Uint8Array {
  const value = Buffer.alloc(4 + 8 * entries.length);
  value.writeUInt32LE(2, 0);
  entries.forEach(([tag, permissions, id = 0xffffffff], i) => {
    value.writeUInt16LE(tag, 4 + 8 * i);
    value.writeUInt16LE(permissions, 6 + 8 * i);
    value.writeUInt32LE(id, 8 + 8 * i);
  });
  return value;
}

// ACL_USER_OBJ, ACL_USER, ACL_GROUP_OBJ, ACL_GROUP, ACL_MASK, ACL_OTHER
const [OWNER, USER, GROUP_OWNER, GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32] as const;
const accessAcl = aclValue([[OWNER, 6], [USER, 4, 1000], [GROUP_OWNER, 4], [GROUP, 6, 2000], [MASK, 6], [OTHER, 4]]);
const defaultAcl = aclValue([[OWNER, 7], [USER, 5, 1000], [GROUP_OWNER, 5], [MASK, 5], [OTHER, 0]]);

/** `cap_net_bind_service=ep`, revision 2: magic with the effective flag, then permitted and inheritable, low and high. */
const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** Sparse files: size, and where 5 KiB of data lie. The last holds zeros that are written, which a tree must hold for holes too. */
const sparseFiles: Readonly<Record<string, { readonly size: number; readonly data: readonly number[]; readonly zeros?: readonly number[] }>> = {
  'hole-between': { size: 1 << 20, data: [0, 900 * 1024] },
  'hole-first': { size: 300_000, data: [256 * 1024] },
  'hole-last': { size: (3 << 20) + 100, data: [0] },
  'only-hole': { size: 10 << 20, data: [] },
  'short-hole': { size: 100, data: [] },
  'written-zeros': { size: 200_000, data: [0, 150_000], zeros: [64 * 1024] },
};

/**
 * Fills `directory`, which must exist and be empty. About 430 inodes, 0.5 MB of data.
 *
 * The file system must have user attributes and ACLs (ext4, xfs, btrfs, tmpfs from Linux 6.6).
 */
export function makeTree(directory: string, options: MakeTreeOptions = {}): void {
  const root = fromText(directory);
  const privileged = options.privileged ?? process.getuid?.() === 0;
  const at = (name: ByteString): ByteString => `${root}/${name}`;
  const file = (name: ByteString, bytes: string | Uint8Array, mode = 0o644): void => {
    writeFileSync(toBytes(at(name)), bytes);
    chmodSync(toBytes(at(name)), mode);
  };
  const folder = (name: ByteString, mode = 0o755): void => {
    mkdirSync(toBytes(at(name)));
    chmodSync(toBytes(at(name)), mode);
  };
  const special = (name: ByteString, kind: keyof typeof typeBits, major = 0, minor = 0): void => {
    makeNode(cPath(at(name)), typeBits[kind] | 0o640, major, minor);
    chmodSync(toBytes(at(name)), 0o640);
  };
  const xattr = (name: ByteString, key: string, value: Uint8Array): void => setXattr(cPath(at(name)), key, value);

  for (const [name, mode] of [['empty-dir', 0o755], ['private', 0o700], ['sticky', 0o1777], ['setgid', 0o2755], ['odd', 0o501]] as const) folder(name, mode);
  folder('sizes');
  for (const size of [0, 1, 59, 60, 61, 159, 160, 4095, 4096, 4097, 65536, 100_000]) file(`sizes/${size}`, noise(size, size));
  file('setuid', '#!/bin/sh\n', 0o4755);
  file('read-only', 'x', 0o400);
  file('all-modes', 'x', 0o7777);

  folder('names');
  for (const name of ['with space', '-dash', "quote'\"", 'back\\slash', 'new\nline', 'tab\t', '%41', '*?[x]', '.hidden', '..two', '\xc3\xa9t\xc3\xa9', rawName, longName, '~']) file(`names/${name}`, name);
  folder('names/d\xff');
  file('names/d\xff/inside', 'inside');

  let deep = 'deep';
  for (let level = 0; level < 20; level++, deep += `/level-${level}`) folder(deep);
  file(`${deep.slice(0, deep.lastIndexOf('/'))}/bottom`, 'bottom');

  folder('many');
  for (let i = 0; i < 300; i++) file(`many/entry-number-${i}`, '');

  folder('links');
  const targets = { short: 'names/-dash', dangling: '/no/such', '59': 't'.repeat(59), '60': 't'.repeat(60), slow: 's/'.repeat(500), longest: 'l'.repeat(4095), raw: `x${rawName}`, dir: '../deep' };
  for (const [name, target] of Object.entries(targets)) symlinkSync(toBytes(target), toBytes(at(`links/${name}`)));
  file('links/one', 'several names');
  for (const name of ['links/two', 'deep/three', 'zz-four']) linkSync(toBytes(at('links/one')), toBytes(at(name)));

  folder('special');
  special('special/fifo', 'fifo');
  special('special/socket', 'socket');
  linkSync(toBytes(at('special/fifo')), toBytes(at('special/fifo-again')));
  linkSync(toBytes(at('links/short')), toBytes(at('special/symlink-again')));

  folder('sparse');
  for (const [name, { size, data, zeros = [] }] of Object.entries(sparseFiles)) {
    const fd = openSync(toBytes(at(`sparse/${name}`)), 'w', 0o644);
    ftruncateSync(fd, size);
    for (const offset of data) writeSync(fd, noise(5 * 1024, offset + 1), 0, 5 * 1024, offset);
    for (const offset of zeros) writeSync(fd, Buffer.alloc(32 * 1024), 0, 32 * 1024, offset);
    closeSync(fd);
  }

  folder('xattrs');
  for (const name of ['some', 'large', 'shared-1', 'shared-2', 'acl']) file(`xattrs/${name}`, name);
  folder('xattrs/dir', 0o750);
  xattr('xattrs/some', 'user.text', Buffer.from('value'));
  xattr('xattrs/some', 'user.empty', Buffer.alloc(0));
  xattr('xattrs/some', 'user.binary', Buffer.from([0, 255, 10, 61, 0]));
  xattr('xattrs/large', 'user.large', noise(2500, 7));
  for (const name of ['shared-1', 'shared-2']) xattr(`xattrs/${name}`, 'user.shared', noise(500, 8));
  xattr('xattrs/dir', 'user.on.directory', Buffer.from('yes'));
  xattr('xattrs/acl', 'system.posix_acl_access', accessAcl);
  xattr('xattrs/dir', 'system.posix_acl_default', defaultAcl);

  folder('times');
  for (const name of ['old', 'older', 'new', 'epoch']) file(`times/${name}`, name);
  symlinkSync('old', at('times/link'));

  if (privileged) {
    special('special/null', 'character-device', 1, 3);
    special('special/large-numbers', 'character-device', 300, 70_000);
    special('special/disk', 'block-device', 8, 1);
    folder('owned');
    file('owned/file', 'x');
    symlinkSync('file', at('owned/link'));
    for (const [name, uid, gid] of [['', 1000, 100], ['/file', 70_000, 4_000_000_000], ['/link', 12, 34]] as const) lchownSync(at(`owned${name}`), uid, gid);
    xattr('owned', 'trusted.note', Buffer.from('root only'));
    xattr('owned/link', 'trusted.on-link', Buffer.from('x'));
    file('owned/capable', '#!', 0o755);
    xattr('owned/capable', 'security.capability', capability);
  }

  stamp(root, 1_500_000_000);
  const stamps: readonly (readonly [ByteString, number, number])[] = [
    ['times/old', -2, 500_000_000], ['times/older', -1_000_000_000, 1], ['times/new', 4_102_444_800, 123_456_789],
    ['times/epoch', 0, 0], ['times/link', -86_400, 999_999_999], ['times', 2_147_483_648, 7], ['links/one', 1_234_567_890, 987_654_321],
  ];
  for (const [name, seconds, nanoseconds] of stamps) setModificationTime(cPath(at(name)), seconds, nanoseconds);
}

/** Gives everything below and at `path` a time of its own, children before parents. */
function stamp(path: ByteString, start: number): number {
  let next = start;
  if (lstatSync(toBytes(path)).isDirectory()) {
    for (const name of readdirSync(toBytes(path), 'latin1').sort()) next = stamp(`${path}/${name}`, next);
  }
  setModificationTime(cPath(path), next, next * 7919 % 1_000_000_000);
  return next + 1;
}
