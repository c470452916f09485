/** Decides where everything lies. After this, every block of the image can be written on its own (image.ts). */
import { FIRST_FREE_INODE } from '../../format/ext4/superblock.js';
import type { Content, Piece } from '../../model/content.js';
import type { DirectoryNode, FileNode } from '../../model/tree.js';
import { bySimilarity, type DataOrder } from './data-order.js';
import { gatherDemand, type Demand } from './demand.js';
import { planGeometry, type Geometry } from './geometry.js';
import { takeInventory } from './inventory.js';
import { journalBlockCount } from './journal.js';
import { layOutOnBase, type BaseOptions, type BaseUse, type Unfit } from './layout-on-base.js';
import { numberOnBase } from './numbering.js';
import { PlacementInRows, type Placement } from './placement.js';
import { Spans } from './spans.js';

export interface LayoutOptions {
  /** Bytes of the whole file system, rounded up to a block; default: what the tree needs. Not together with `freeBytes`. */
  readonly size?: number;
  /** Bytes left free for whoever mounts a copy for writing, with inodes to match; default 0. */
  readonly freeBytes?: number;
  /** Empty journal: true = of the usual size, a number = bytes (4 MiB to 512 MiB); default none. */
  readonly journal?: boolean | number;
  /**
   * Turns inline_data on: contents, symlink targets and directories of up to 128 bytes are kept in their inodes. The function
   * returns all bytes of such a small content; called once for each walk over the image. Default off.
   */
  readonly inlineData?: (content: Content) => Uint8Array;
  /** fs-verity metadata of files (hash tree, descriptor, its size in the last 4 bytes; whole blocks): these files get the verity flag. */
  readonly verityTrees?: ReadonlyMap<FileNode, Uint8Array>;
  /**
   * Files that use the blocks of an earlier file in path order, whose content is the same. Any such file sets shared_blocks: the
   * file system can then only be mounted read-only, and e2fsck knows that the blocks are used twice on purpose.
   */
  readonly shared?: ReadonlyMap<FileNode, FileNode>;
  /** Order of file data; default by similarity. */
  readonly order?: DataOrder;
  /** The file system that this one continues; default none. */
  readonly base?: BaseOptions;
}

export interface Layout extends Demand {
  readonly geometry: Geometry;
  readonly placement: Placement;
  /** Blocks in use, and inodes in use or reserved, counted from 0 (inode 1 is number 0). */
  readonly use: { readonly blocks: Spans; readonly inodes: Spans };
  /** Blocks that are neither data nor free. */
  readonly metadataBlocks: number;
  readonly readContent: ((content: Content) => Uint8Array) | undefined;
  /** What has come of the base, or why it was not continued. Absent without one. */
  readonly base?: BaseUse | Unfit;
  readonly freedBlocks?: Piece['source'];
}

/**
 * @throws LIMIT_EXCEEDED, BAD_ARGUMENT, BAD_FIELD, each naming the path
 */
export function planLayout(root: DirectoryNode, options: LayoutOptions): Layout {
  const inventory = takeInventory(root);
  const { base, inlineData: readContent } = options;
  if (base === undefined) return { ...layOutInRows(gatherDemand(inventory, options), options), readContent };
  const demand = gatherDemand({ ...inventory, inodes: numberOnBase(inventory, base.layout) }, options);
  const result = layOutOnBase(demand, base, options);
  if ('unfit' in result) return { ...layOutInRows(gatherDemand(inventory, options), options), readContent, base: result };
  return { ...demand, ...result, readContent, ...(base.freedBlocks === undefined ? {} : { freedBlocks: base.freedBlocks }) };
}

function layOutInRows(demand: Demand, options: LayoutOptions): Omit<Layout, 'readContent'> {
  const { owners, inventory: { nodes } } = demand;
  const placement = new PlacementInRows(demand, (options.order ?? bySimilarity)(owners).map((place) => owners[place]!.index));
  placement.addJournal(journalBlockCount(options.journal ?? false, placement.bodyBlocks));
  const needs = { inodes: FIRST_FREE_INODE - 1 + nodes.length - 1, bodyBlocks: placement.bodyBlocks };
  const geometry = planGeometry(needs, options.size, options.freeBytes ?? 0);
  const metadataBlocks = placement.settle(geometry.body);
  return {
    ...demand, geometry, placement, metadataBlocks,
    use: { blocks: new Spans([{ start: 0, end: geometry.usedBlocks }]), inodes: new Spans([{ start: 0, end: geometry.usedInodes }]) },
  };
}
