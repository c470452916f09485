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

/** A stretch of inline content: `bytes` (a view) from `logical` in the file. */
export interface InlinePiece {
  readonly logical: number;
  readonly bytes: Uint8Array;
}

/** @returns what is stored of an inline file or symlink, cut at its size. Beyond it is a hole: mke2fs makes such files, and the kernel reads zeros. */
export function inlinePieces(volume: Volume, inode: Ext4Inode): InlinePiece[] {
  const { head, rest } = readInlineParts(volume, inode);
  return [{ logical: 0, bytes: head }, { logical: head.length, bytes: rest }]
    .map(({ logical, bytes }) => ({ logical, bytes: bytes.subarray(0, Math.max(0, inode.size - logical)) })).filter(({ bytes }) => bytes.length > 0);
}
