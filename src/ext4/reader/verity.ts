/** fs-verity files: the Merkle tree and its descriptor lie behind the content (kernel: fs/ext4/verity.c). */
import { inodeFlags } from '../../format/ext4/inode.js';
import { clip, type Extent } from './content.js';
import { badField, beyondLimit } from './fault.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import { mapRuns } from './mapping.js';
import type { Volume } from './volume.js';

/** The tree begins at the next multiple of this behind the content: a page of any machine. */
const TREE_ALIGNMENT = 65_536;
/** FS_VERITY_MAX_DESCRIPTOR_SIZE: 256 bytes of descriptor and a signature. */
const DESCRIPTOR_MAX = 16_384;
const SIZE_FIELD = 4;

export interface VerityData {
  /** fsverity_descriptor as stored, with the built-in signature if there is one; the caller owns it. */
  readonly descriptor: Uint8Array;
  /** Byte offset of the Merkle tree in the file. */
  readonly treeOffset: number;
  /** Where the blocks from the tree up to the descriptor lie; `logical` counts from the file start. */
  readonly tree: readonly Extent[];
}

/**
 * @returns what is stored behind an fs-verity file, undefined when it is none. Nothing is verified against the tree here.
 * @throws BAD_FIELD, LIMIT_EXCEEDED
 */
export function readVerity(volume: Volume, inode: Ext4Inode): VerityData | undefined {
  if (inode.kind !== 'file' || !inodeFlags.has(inode.flags, 'verity')) return undefined;
  const place = inodePlace(inode);
  if (inode.mapping !== 'extents') throw badField(place, 'flags', 'say verity without extents');
  const { blockSize } = volume;
  const treeOffset = Math.ceil(inode.size / TREE_ALIGNMENT) * TREE_ALIGNMENT;
  const runs = mapRuns(volume, inode, treeOffset / blockSize);
  const last = runs.at(-1);
  if (last === undefined || last.unwritten) throw badField(place, 'verity data', 'is missing');

  const end = (last.logical + last.count) * blockSize;
  const sizeAt = (last.physical + last.count) * blockSize - SIZE_FIELD;
  const sizeBytes = volume.image.read(sizeAt, SIZE_FIELD);
  const size = new DataView(sizeBytes.buffer, sizeBytes.byteOffset).getUint32(0, true);
  if (size > DESCRIPTOR_MAX) throw beyondLimit(place, 'verity descriptor size', `is ${size}, at most ${DESCRIPTOR_MAX} is possible`);
  // The descriptor begins a block; its size closes the last block.
  const descriptorOffset = Math.floor((end - SIZE_FIELD - size) / blockSize) * blockSize;
  if (size === 0 || descriptorOffset < treeOffset) throw badField(place, 'verity descriptor size', `is ${size}, it would begin before the tree`);
  const descriptor = new Uint8Array(size);
  for (const part of runs.flatMap((run) => clip(volume, run, descriptorOffset, descriptorOffset + size) ?? [])) {
    if (!part.unwritten) descriptor.set(volume.image.read(part.physical, part.length), part.logical - descriptorOffset);
  }
  return { descriptor, treeOffset, tree: runs.flatMap((run) => clip(volume, run, treeOffset, descriptorOffset) ?? []) };
}
