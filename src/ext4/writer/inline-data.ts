/** inline_data: contents of up to 128 bytes live in i_block and, past its 60 bytes, in the attribute `system.data` of the inode. */
import { fileTypes } from '../../format/ext4/directory.js';
import { INODE_BLOCK_SIZE } from '../../format/ext4/inode.js';
import { INLINE_DATA_XATTR } from '../../format/ext4/xattr.js';
import { entrySize, writeEntry, type DirectoryEntries } from './linear-block.js';
import { XATTR_BODY_SIZE } from './parameters.js';
import { sizeOf, type DiskXattr } from './xattr.js';

/** The parent's inode number stands for `.` and `..`. */
const PARENT_SIZE = 4;
const END_MARK_SIZE = 4;

/** @returns bytes that an inode with these attributes can hold inline; 0 when there is no room even for an empty `system.data`. */
export function inlineRoom(body: readonly DiskXattr[]): number {
  const left = XATTR_BODY_SIZE - END_MARK_SIZE - sizeOf([...body, inlineXattr(new Uint8Array(0))]);
  return left < 0 ? 0 : INODE_BLOCK_SIZE + left - left % 4;
}

/** @param content the whole content; what lies past i_block becomes the value, which must exist even when empty */
export function inlineXattr(content: Uint8Array): DiskXattr {
  return { ...INLINE_DATA_XATTR, value: content.subarray(INODE_BLOCK_SIZE) };
}

/**
 * A directory in two areas, i_block after the parent's number and `system.data`, each filled by its last entry.
 *
 * @returns the content, 60 bytes or more, or undefined when it does not fit `room`
 */
export function inlineDirectory({ inventory, from, to, parentInode }: DirectoryEntries, room: number): Uint8Array | undefined {
  const content = new Uint8Array(Math.max(room, INODE_BLOCK_SIZE));
  const view = new DataView(content.buffer);
  view.setUint32(0, parentInode, true);
  const extend = (entry: number, end: number): void => { view.setUint16(entry + 4, end - entry, true); }; // rec_len
  let at = PARENT_SIZE;
  let last = PARENT_SIZE;
  let end = INODE_BLOCK_SIZE;
  extend(last, end); // of an empty directory: one unused entry
  for (let i = from; i < to; i++) {
    const name = inventory.entryNames[i]!;
    const size = entrySize(name);
    if (at + size > end && end === INODE_BLOCK_SIZE) {
      extend(last, end);
      at = end;
      end = room;
    }
    if (at + size > end) return undefined;
    const index = inventory.entryNodes[i]!;
    writeEntry(view, at, inventory.inodes[index]!, name, fileTypes[inventory.nodes[index]!.kind]);
    last = at;
    at += size;
  }
  if (at <= INODE_BLOCK_SIZE && end === INODE_BLOCK_SIZE) {
    extend(last, end);
    return content.slice(0, INODE_BLOCK_SIZE);
  }
  return content.slice(0, at);
}
