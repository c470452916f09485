/** Permission bits and an access ACL say the same thing twice; where an archive has them differ, the ACL counts, as it does when the kernel sets one. */
import { aclEntry, aclHeader, aclRecord } from '../../format/acl.js';
import type { Xattr } from '../../model/tree.js';

/** How far the permissions of an entry are shifted in a mode. The mask stands where the group's would. */
const shifts = [[aclEntry.USER_OBJ, 6], [aclEntry.GROUP_OBJ, 3], [aclEntry.MASK, 3], [aclEntry.OTHER, 0]] as const;

/**
 * libarchive writes the group's own permissions into the header, the mode has the mask there.
 *
 * @param permissions of the header
 * @returns the permissions that the file has under its access ACL, if it has one of the form that it must have
 */
export function permissionsUnderAcl(permissions: number, xattrs: readonly Xattr[]): number {
  const acl = xattrs.find(({ name }) => name === 'system.posix_acl_access')?.value;
  if (acl === undefined) return permissions;
  let result = permissions;
  for (const [wanted, shift] of shifts) { // the mask after the group, which it replaces
    for (let at = aclHeader.size; at + aclRecord.size <= acl.length; at += aclRecord.size) {
      const { tag, permissions: bits } = aclRecord.decode(acl, at);
      if (tag === wanted) result = result & ~(7 << shift) | (bits & 7) << shift;
    }
  }
  return result;
}
