/**
 * Which extended attributes belong to a tree (docs/decisions/xattrs.md): those that mean the same on another machine.
 * Labels of this machine's policy (security.selinux, ima, evm, SMACK) would make the same tree give other bytes elsewhere.
 */
import type { ByteString } from '../bytes/byte-string.js';
import type { Xattr } from '../model/tree.js';

const portable = new Set(['security.capability', 'system.posix_acl_access', 'system.posix_acl_default']);

/** @param extra full names kept as well */
export function isKeptXattr(name: ByteString, extra: readonly ByteString[] = []): boolean {
  return name.startsWith('user.') || name.startsWith('trusted.') || portable.has(name) || extra.includes(name);
}

const none: readonly Xattr[] = Object.freeze([]);

/** @returns the attributes in byte order of their names; the later of two with one name wins. */
export function sortXattrs(xattrs: readonly Xattr[]): readonly Xattr[] {
  if (xattrs.length === 0) return none;
  const byName = new Map(xattrs.map((xattr) => [xattr.name, xattr]));
  return [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}
