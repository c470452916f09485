/**
 * The ext4 writer: from a file tree to the bytes of a file system, without a kernel, without root, and without holding
 * more than a few blocks of it. Format: linux Documentation/filesystems/ext4, fs/ext4/ext4.h; judged by e2fsck and the kernel.
 */
import { fromText, toBytes } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { compat, incompat, roCompat } from '../../format/ext4/features.js';
import type { Content } from '../../model/content.js';
import type { DirectoryNode } from '../../model/tree.js';
import { imageContent } from './image.js';
import type { BaseUse, Unfit } from './layout-on-base.js';
import { planLayout, type LayoutOptions } from './layout.js';
import { featuresOf } from './superblock.js';
import { treeUuid } from './uuid.js';

export type { BaseOptions, BaseUse, Unfit } from './layout-on-base.js';
export type { LeafWindow } from './matching.js';
export { bySimilarity, type DataFile, type DataOrder } from './data-order.js';

export interface Ext4Options extends LayoutOptions {
  /** 16 bytes; by default derived from the tree (names, kinds, sizes, attributes). It changes the superblock only. */
  readonly uuid?: Uint8Array;
  /** At most 16 bytes as UTF-8; default empty. */
  readonly volumeName?: string;
}

export interface Ext4Layout {
  /** The file system. Metadata is written while the pieces are walked, in ascending order, and may be walked again. */
  readonly image: Content;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  readonly uuid: Uint8Array;
  /** Inodes in use, the ten reserved ones not counted. */
  readonly inodeCount: number;
  readonly usedBlocks: number;
  /** Blocks that are neither file data nor free: without a base all before the first block of data, in one run. */
  readonly metadataBlocks: number;
  /** Names of the feature flags as mke2fs -O takes them. */
  readonly features: readonly string[];
  /** What has come of the base, or why it was not continued. Absent without one. */
  readonly base?: BaseUse | Unfit;
}

/**
 * Lays a tree out as an ext4 file system: 4096-byte blocks, 256-byte inodes, all metadata in one run at the front, file
 * data after it. The same tree and options give the same bytes. Times other than mtime are set to mtime.
 *
 * Cost: some 10 microseconds and 100 bytes of memory for each file, over the tree's own; contents are not read.
 *
 * @param root is not changed; contents must give the same pieces each time they are walked
 * @throws LIMIT_EXCEEDED for what ext4 cannot hold (times outside 1901 to 2446 or in 2310 to 2378, attributes over 4 KB, more than 65,000 names
 *   of one file, a `size` that is too small), BAD_ARGUMENT for impossible names, attributes and options, BAD_FIELD for a broken ACL
 */
export function layOutExt4(root: DirectoryNode, options: Ext4Options = {}): Ext4Layout {
  const volumeName = toBytes(fromText(options.volumeName ?? ''));
  checkOption(volumeName.length <= 16, 'volumeName', 'at most 16 bytes');
  checkOption(options.uuid === undefined || options.uuid.length === 16, 'uuid', '16 bytes');
  checkOption(isSize(options.size), 'size', 'a whole number of bytes');
  checkOption(isSize(options.freeBytes), 'freeBytes', 'a whole number of bytes');
  checkOption(options.size === undefined || options.freeBytes === undefined, 'freeBytes', 'none when size is given');

  const layout = planLayout(root, options);
  const uuid = options.uuid ?? treeUuid(layout.inventory);
  const image = imageContent(layout, uuid, volumeName);
  const features = featuresOf(layout);
  return {
    image, size: image.size, uuid, ...(layout.base === undefined ? {} : { base: layout.base }),
    inodeCount: layout.inventory.nodes.length,
    usedBlocks: layout.use.blocks.size,
    metadataBlocks: layout.metadataBlocks,
    features: [...compat.names(features.compat), ...incompat.names(features.incompat), ...roCompat.names(features.roCompat)],
  };
}

function isSize(value: number | undefined): boolean {
  return value === undefined || (Number.isSafeInteger(value) && value >= 0);
}

function checkOption(holds: boolean, option: keyof Ext4Options, expected: string): void {
  if (!holds) throw new ThawfsError('BAD_ARGUMENT', `${option}: expected ${expected}`, { detail: { option } });
}
