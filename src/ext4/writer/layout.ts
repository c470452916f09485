/** Decides where everything lies. After this, every block of the image can be written on its own (image.ts). */
import { display } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { INODE_BLOCK_SIZE } from '../../format/ext4/inode.js';
import { FIRST_FREE_INODE } from '../../format/ext4/superblock.js';
import type { Content } from '../../model/content.js';
import type { DirectoryNode, FileNode, TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE, roundUp } from '../../units.js';
import { checkAttributes } from './attributes.js';
import { blockRuns, countBlocks, type BlockRun } from './block-runs.js';
import { bySimilarity, type DataFile, type DataOrder } from './data-order.js';
import { countDirectoryBlocks, directoryOfRank } from './directory.js';
import { extentTreeBlockCount } from './extents.js';
import { planGeometry, type Geometry } from './geometry.js';
import { inlineDirectory, inlineRoom } from './inline-data.js';
import { inodeNumber, pathOf, takeInventory, type Inventory } from './inventory.js';
import { journalBlockCount } from './journal.js';
import { XATTR_BODY_SIZE } from './parameters.js';
import { placeXattrs } from './xattr.js';
import { XattrBlocks } from './xattr-blocks.js';

export interface LayoutOptions {
  readonly size?: number;
  readonly freeBytes?: number;
  readonly journal?: boolean | number;
  readonly inlineData?: (content: Content) => Uint8Array;
  readonly verityTrees?: ReadonlyMap<FileNode, Uint8Array>;
  readonly order?: DataOrder;
}

export interface Layout {
  readonly inventory: Inventory;
  readonly geometry: Geometry;
  /** By node index: first block of what i_block maps, 0 = nothing; its runs lie one after another from there. */
  readonly firstBlocks: Uint32Array;
  /** By node index: blocks that i_block maps. */
  readonly blockCounts: Uint32Array;
  /** By node index: 1 = content inside the inode. */
  readonly inline: Uint8Array;
  /** Node index -> first block of its extent tree, for nodes that have one; in ascending order of both. */
  readonly treeBlocks: ReadonlyMap<number, number>;
  readonly xattrBlocks: XattrBlocks;
  /** Node indexes of the files that have blocks, in the order of these. */
  readonly dataFiles: Uint32Array;
  /** First block of each region of the body, in this order on disk. */
  readonly starts: Readonly<Record<Region, number>>;
  readonly journalBlocks: number;
  readonly verityTrees: ReadonlyMap<FileNode, Uint8Array>;
  readonly readContent: ((content: Content) => Uint8Array) | undefined;
}

const regions = ['directories', 'symlinks', 'xattrs', 'trees', 'journal', 'data'] as const;
export type Region = typeof regions[number];

/** fs-verity metadata begins at the first multiple of this at or after the end of the content (linux fs/ext4/verity.c). */
const VERITY_ALIGNMENT = 65_536;

/**
 * @throws LIMIT_EXCEEDED, BAD_ARGUMENT, BAD_FIELD, each naming the path
 */
export function planLayout(root: DirectoryNode, options: LayoutOptions): Layout {
  const inventory = takeInventory(root);
  const { nodes, directories } = inventory;
  const verityTrees = options.verityTrees ?? new Map<FileNode, Uint8Array>();
  const firstBlocks = new Uint32Array(nodes.length);
  const blockCounts = new Uint32Array(nodes.length);
  const inline = new Uint8Array(nodes.length);
  const treeBlocks = new Map<number, number>();
  const xattrBlocks = new XattrBlocks();
  const sizes: Record<Region, number> = { directories: 0, symlinks: 0, xattrs: 0, trees: 0, journal: 0, data: 0 };

  /** Gives a node its blocks, counted from the start of the region until that is known. */
  const place = (index: number, region: Region, runs: readonly BlockRun[]): void => {
    blockCounts[index] = countBlocks(runs);
    firstBlocks[index] = sizes[region];
    sizes[region] += blockCounts[index];
    const tree = extentTreeBlockCount(runs);
    if (tree === 0) return;
    treeBlocks.set(index, sizes.trees);
    sizes.trees += tree;
  };

  const isInline = (node: TreeNode): boolean => {
    if (options.inlineData === undefined) return false;
    const { body, block } = placeXattrs(node.xattrs, XATTR_BODY_SIZE);
    const room = inlineRoom(body);
    if (node.kind === 'file') return node.content.size > 0 && node.content.size <= room && !verityTrees.has(node);
    // e2fsck 1.47 overlooks the xattr block of an inline symlink and calls it free.
    return node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE && node.target.length <= room && block.length === 0;
  };

  nodes.forEach((node, index) => {
    naming(inventory, index, () => {
      checkAttributes(node, inventory.links[index]!);
      if (node.xattrs.length > 0) xattrBlocks.add(index, placeXattrs(node.xattrs, XATTR_BODY_SIZE).block);
      if (isInline(node)) inline[index] = 1;
      else if (node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE) place(index, 'symlinks', [{ logical: 0, count: 1 }]);
    });
  });
  sizes.xattrs = xattrBlocks.blocks.length;

  for (let rank = 0; rank < directories.length; rank++) {
    const index = directories[rank]!;
    naming(inventory, index, () => {
      const directory = directoryOfRank(inventory, rank);
      // The kernel takes a root without blocks for a broken one.
      const room = options.inlineData === undefined || index === 0 ? 0 : inlineRoom(placeXattrs(nodes[index]!.xattrs, XATTR_BODY_SIZE).body);
      if (room > 0 && inlineDirectory(directory, room) !== undefined) inline[index] = 1;
      else place(index, 'directories', [{ logical: 0, count: countDirectoryBlocks(directory) }]);
    });
  }

  const dataFiles = orderData(inventory, inline, verityTrees, options.order ?? bySimilarity);
  for (const index of dataFiles) naming(inventory, index, () => { place(index, 'data', fileRuns(nodes[index] as FileNode, verityTrees)); });

  const bodyBlocks = (): number => regions.reduce((sum, region) => sum + sizes[region], 0);
  sizes.journal = journalBlockCount(options.journal ?? false, bodyBlocks());
  const geometry = planGeometry({ inodes: FIRST_FREE_INODE - 1 + nodes.length - 1, bodyBlocks: bodyBlocks() }, options.size, options.freeBytes ?? 0);

  const starts = { ...sizes };
  let next = geometry.body;
  for (const region of regions) {
    starts[region] = next;
    next += sizes[region];
  }
  nodes.forEach(({ kind }, index) => {
    if (blockCounts[index]! > 0) firstBlocks[index]! += starts[kind === 'directory' ? 'directories' : kind === 'symlink' ? 'symlinks' : 'data'];
  });
  treeBlocks.forEach((block, index) => treeBlocks.set(index, block + starts.trees));
  return {
    inventory, geometry, firstBlocks, blockCounts, inline, treeBlocks, xattrBlocks, dataFiles, starts,
    journalBlocks: sizes.journal, verityTrees, readContent: options.inlineData,
  };
}

/** @returns the runs that i_block of any node maps. */
export function nodeRuns(layout: Layout, index: number): BlockRun[] {
  const node = layout.inventory.nodes[index]!;
  if (node.kind === 'file') return fileRuns(node, layout.verityTrees);
  const count = layout.blockCounts[index]!;
  return count === 0 ? [] : [{ logical: 0, count }];
}

/** The runs of the content, then of the fs-verity metadata past it. */
function fileRuns(file: FileNode, verityTrees: ReadonlyMap<FileNode, Uint8Array>): BlockRun[] {
  const runs = blockRuns(file.content);
  const verity = verityTrees.get(file);
  if (verity === undefined) return runs;
  if (verity.length === 0 || verity.length % BLOCK_SIZE !== 0) {
    throw new ThawfsError('BAD_ARGUMENT', `fs-verity metadata of ${verity.length} bytes: must be whole blocks`, { detail: { size: verity.length } });
  }
  const logical = roundUp(file.content.size, VERITY_ALIGNMENT) / BLOCK_SIZE;
  const last = runs.at(-1);
  if (last !== undefined && last.logical + last.count === logical) last.count += verity.length / BLOCK_SIZE;
  else runs.push({ logical, count: verity.length / BLOCK_SIZE });
  return runs;
}

function orderData({ nodes, entryNames, entryNodes }: Inventory, inline: Uint8Array, verityTrees: ReadonlyMap<FileNode, Uint8Array>, order: DataOrder): Uint32Array {
  const files: DataFile[] = [];
  const indexes: number[] = [];
  let next = 1; // indexes are given in the order of entries, so a lower one is a further name of a hard link
  for (let at = 0; at < entryNodes.length; at++) {
    const index = entryNodes[at]!;
    if (index < next) continue;
    next = index + 1;
    const node = nodes[index]!;
    if (node.kind !== 'file' || inline[index] === 1 || (node.content.size === 0 && !verityTrees.has(node))) continue;
    files.push({ node, name: entryNames[at]! });
    indexes.push(index);
  }
  return order(files).map((place) => indexes[place]!);
}

/** Runs `step` and puts the path in front of what it says when it fails. */
function naming(inventory: Inventory, index: number, step: () => void): void {
  try {
    step();
  } catch (error) {
    if (!(error instanceof ThawfsError)) throw error;
    const path = `/${display(pathOf(inventory, index))}`;
    const [suggestion] = error.suggestions;
    throw new ThawfsError(error.code, `${path}: ${error.message}`, {
      detail: { ...error.detail, path, inode: inodeNumber(index) }, cause: error.cause, ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}
