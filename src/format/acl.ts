/** POSIX ACLs as extended attributes hold them: linux/posix_acl_xattr.h, version 2. */
import { struct, u16le, u32le } from '../bytes/struct.js';

/** Tags (acl/libacl.h), in the order that the kernel wants. */
export const aclEntry = { USER_OBJ: 1, USER: 2, GROUP_OBJ: 4, GROUP: 8, MASK: 16, OTHER: 32, UNDEFINED_ID: 0xffffffff } as const;

/** The only version. */
export const ACL_VERSION = 2;

export const aclHeader = struct('ACL header', 4, [[0, 'version', u32le, 'a_version']]);
export const aclRecord = struct('ACL entry', 8, [
  [0, 'tag', u16le, 'e_tag'],
  [2, 'permissions', u16le, 'e_perm: r 4, w 2, x 1'],
  [4, 'id', u32le, 'e_id; UNDEFINED_ID where the tag needs none'],
]);
