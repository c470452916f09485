/** Content inside the inode (kernel: Documentation/filesystems/ext4/inlinedata.rst): 60 bytes of i_block, then the value of the xattr system.data. */
import { INLINE_DATA_XATTR } from '../../format/ext4/xattr.js';
import { badField } from './fault.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import type { Volume } from './volume.js';
import { readInodeEntries } from './xattr-entries.js';

export interface InlineParts {
  /** All of i_block. */
  readonly head: Uint8Array;
  /** The value of system.data; empty when there is none. */
  readonly rest: Uint8Array;
}

export function readInlineParts(volume: Volume, inode: Ext4Inode): InlineParts {
  const entry = readInodeEntries(volume, inode).find(({ nameIndex, name }) => nameIndex === INLINE_DATA_XATTR.nameIndex && name === INLINE_DATA_XATTR.name);
  if (entry?.valueInode !== undefined) throw badField(inodePlace(inode), 'system.data', 'is kept in another inode');
  return { head: inode.blockArea, rest: entry?.value ?? new Uint8Array(0) };
}

/**
 * @returns the whole content of an inline file or symlink; a copy that the caller owns
 * @throws BAD_FIELD when the size says more than is there
 */
export function readInlineContent(volume: Volume, inode: Ext4Inode): Uint8Array {
  const { head, rest } = readInlineParts(volume, inode);
  if (inode.size > head.length + rest.length) {
    throw badField(inodePlace(inode), 'size', `is ${inode.size}, the inline data has ${head.length + rest.length} bytes`);
  }
  const content = new Uint8Array(inode.size);
  content.set(head.subarray(0, inode.size));
  if (inode.size > head.length) content.set(rest.subarray(0, inode.size - head.length), head.length);
  return content;
}
