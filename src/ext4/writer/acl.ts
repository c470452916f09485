/** POSIX ACLs: from the form of getxattr(2) to the shorter one on disk (entries without an id end after the permissions). */
import { ThawfsError } from '../../errors.js';
import {
  ACL_DISK_VERSION, ACL_SHORT_ENTRY_SIZE, ACL_USER_VERSION, aclEntry, aclHeader, aclTags,
} from '../../format/ext4/xattr.js';

/**
 * @param value version 2 user-space form, linux/posix_acl_xattr.h
 * @param name of the attribute, for messages
 * @returns new bytes
 * @throws BAD_FIELD when it is not an ACL
 */
export function toDiskAcl(value: Uint8Array, name: string): Uint8Array {
  const bad = (reason: string): ThawfsError => new ThawfsError('BAD_FIELD', `${name}: ${reason}`, { detail: { record: 'acl', size: value.length } });
  if (value.length < aclHeader.size || (value.length - aclHeader.size) % aclEntry.size !== 0) throw bad(`${value.length} bytes is no size of an ACL`);
  if (aclHeader.decode(value).version !== ACL_USER_VERSION) throw bad(`version is not ${ACL_USER_VERSION}`);

  const target = new Uint8Array(value.length);
  aclHeader.encode({ version: ACL_DISK_VERSION }, target);
  let end = aclHeader.size;
  for (let at = aclHeader.size; at < value.length; at += aclEntry.size) {
    const { tag } = aclEntry.decode(value, at);
    if (!tags.has(tag)) throw bad(`tag ${tag} is unknown`);
    const size = tag === aclTags.user || tag === aclTags.group ? aclEntry.size : ACL_SHORT_ENTRY_SIZE;
    target.set(value.subarray(at, at + size), end);
    end += size;
  }
  return target.slice(0, end);
}

const tags = new Set<number>(Object.values(aclTags));
