/** Extended attributes. Source: linux fs/ext4/xattr.h, fs/ext4/acl.h. Entries grow upward, values downward from the end. */
import { array, struct, u16le, u32le, u8, type StructOf } from '../../bytes/struct.js';

/** h_magic, in a block and in an inode. */
export const XATTR_MAGIC = 0xea02_0000;
/** h_refcount of a block never goes above this. */
export const XATTR_REFCOUNT_MAX = 1024;

/** In the inode, after i_extra_isize: the magic alone; value offsets count from the first entry. */
export const xattrInodeHeader = struct('xattr inode header', 4, [
  [0, 'magic', u32le, 'h_magic: XATTR_MAGIC'],
]);

/** In a block of its own; value offsets count from the start of the block. */
export const xattrBlockHeader = struct('xattr block header', 32, [
  [0, 'magic', u32le, 'h_magic: XATTR_MAGIC'],
  [4, 'refcount', u32le, 'h_refcount: inodes that share the block'],
  [8, 'blocks', u32le, 'h_blocks: 1'],
  [12, 'hash', u32le, 'h_hash: over the hashes of all entries'],
  [16, 'checksum', u32le, 'h_checksum: crc32c(seed, block number as 64 bits, the block with this field zero)'],
  [20, 'reserved', array(u32le, 3), 'h_reserved'],
]);
export type XattrBlockHeader = StructOf<typeof xattrBlockHeader>;

/** The rest of the name follows, padded to 4 bytes; four zero bytes end the list. */
export const xattrEntry = struct('xattr entry', 16, [
  [0, 'nameLength', u8, 'e_name_len'],
  [1, 'nameIndex', u8, 'e_name_index: xattrPrefixes'],
  [2, 'valueOffset', u16le, 'e_value_offs'],
  [4, 'valueInode', u32le, 'e_value_inum: inode that holds the value, with ea_inode'],
  [8, 'valueSize', u32le, 'e_value_size'],
  [12, 'hash', u32le, 'e_hash: over name and value; 0 in an inode'],
]);
export type XattrEntry = StructOf<typeof xattrEntry>;

/** Prefix that a name index stands for. The ACL names are whole: nothing follows on disk. */
export const xattrPrefixes: Readonly<Record<number, string>> = {
  0: '', 1: 'user.', 2: 'system.posix_acl_access', 3: 'system.posix_acl_default', 4: 'trusted.', 5: 'lustre.', 6: 'security.', 7: 'system.',
  8: 'system.richacl', 9: 'encryption.', 10: 'hurd.',
};

/** e_name_index and name of the entry that holds inline data past i_block. */
export const INLINE_DATA_XATTR = { nameIndex: 7, name: 'data' } as const;

/** a_version of an ACL on disk, and of the form that getxattr(2) gives (linux/posix_acl_xattr.h). */
export const ACL_DISK_VERSION = 1;
export const ACL_USER_VERSION = 2;

export const aclHeader = struct('acl header', 4, [
  [0, 'version', u32le, 'a_version'],
]);

/** Entries of ACL_USER and ACL_GROUP have an id; on disk the others end after `permissions`. */
export const aclEntry = struct('acl entry', 8, [
  [0, 'tag', u16le, 'e_tag: aclTags'],
  [2, 'permissions', u16le, 'e_perm'],
  [4, 'id', u32le, 'e_id: 0xffffffff where there is none'],
]);
export type AclEntry = StructOf<typeof aclEntry>;
export const ACL_SHORT_ENTRY_SIZE = 4;

export const aclTags = { userObject: 0x01, user: 0x02, groupObject: 0x04, group: 0x08, mask: 0x10, other: 0x20 } as const;
