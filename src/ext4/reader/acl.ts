/** POSIX ACLs: on disk entries without an id are half as long; getxattr(2) gives all entries alike (linux/posix_acl_xattr.h). */
import { ACL_DISK_VERSION, ACL_SHORT_ENTRY_SIZE, ACL_USER_VERSION, aclEntry, aclHeader, aclTags } from '../../format/ext4/xattr.js';
import { badField, type Place } from './fault.js';

const NO_ID = 0xffff_ffff;
const tags = new Set<number>(Object.values(aclTags));

/** @returns the value in the form of getxattr(2), version 2; the caller owns it. @throws BAD_FIELD */
export function decodeAcl(disk: Uint8Array, place: Place): Uint8Array {
  if (disk.length < aclHeader.size || aclHeader.decode(disk).version !== ACL_DISK_VERSION) throw badField(place, 'ACL', `is not of version ${ACL_DISK_VERSION}`);
  const view = new DataView(disk.buffer, disk.byteOffset, disk.byteLength);
  const entries: { tag: number; permissions: number; id: number }[] = [];
  for (let at = aclHeader.size; at < disk.length;) {
    if (at + ACL_SHORT_ENTRY_SIZE > disk.length) throw badField(place, 'ACL', 'ends inside an entry');
    const tag = view.getUint16(at, true);
    if (!tags.has(tag)) throw badField(place, 'ACL tag', `is ${tag}`);
    const hasId = tag === aclTags.user || tag === aclTags.group;
    if (hasId && at + aclEntry.size > disk.length) throw badField(place, 'ACL', 'ends inside an entry');
    entries.push({ tag, permissions: view.getUint16(at + 2, true), id: hasId ? view.getUint32(at + 4, true) : NO_ID });
    at += hasId ? aclEntry.size : ACL_SHORT_ENTRY_SIZE;
  }
  const value = new Uint8Array(aclHeader.size + entries.length * aclEntry.size);
  aclHeader.encode({ version: ACL_USER_VERSION }, value);
  entries.forEach((entry, i) => { aclEntry.encode(entry, value, aclHeader.size + i * aclEntry.size); });
  return value;
}
