/** Decides where everything lies. After this, every block of the image can be written on its own (image.ts). */
import { display } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { INODE_BLOCK_SIZE } from '../../format/ext4/inode.js';
import { FIRST_FREE_INODE } from '../../format/ext4/superblock.js';
import type { Content } from '../../model/content.js';
import type { DirectoryNode, FileNode, TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE, roundUp } from '../../units.js';
import { checkAttributes } from './attributes.js';
import { blockRuns, type BlockRun } from './block-runs.js';
import { bySimilarity, type DataFile, type DataOrder } from './data-order.js';
import { countDirectoryBlocks, directoryOfRank } from './directory.js';
import { planGeometry, type Geometry } from './geometry.js';
import { inlineDirectory, inlineRoom } from './inline-data.js';
import { inodeNumber, pathOf, takeInventory, type Inventory } from './inventory.js';
import { journalBlockCount } from './journal.js';
import { XATTR_BODY_SIZE } from './parameters.js';
import { Placement } from './placement.js';
import { placeXattrs, type XattrPlaces } from './xattr.js';
import { XattrBlocks } from './xattr-blocks.js';

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
}

export interface Layout {
  readonly inventory: Inventory;
  readonly geometry: Geometry;
  readonly placement: Placement;
  /** By node index: 1 = content inside the inode. */
  readonly inline: Uint8Array;
  readonly xattrBlocks: XattrBlocks;
  /** Node indexes of the files that have data, in its order on disk. */
  readonly dataFiles: Uint32Array;
  /** Node index of a file without blocks of its own -> the one whose blocks it uses. */
  readonly sharers: ReadonlyMap<number, number>;
  readonly verityTrees: ReadonlyMap<FileNode, Uint8Array>;
  readonly readContent: ((content: Content) => Uint8Array) | undefined;
}

/** fs-verity metadata begins at the first multiple of this at or after the end of the content (linux fs/ext4/verity.c). */
const VERITY_ALIGNMENT = 65_536;

/**
 * @throws LIMIT_EXCEEDED, BAD_ARGUMENT, BAD_FIELD, each naming the path
 */
export function planLayout(root: DirectoryNode, options: LayoutOptions): Layout {
  const inventory = takeInventory(root);
  const { nodes, directories } = inventory;
  const verityTrees = options.verityTrees ?? new Map<FileNode, Uint8Array>();
  const placement = new Placement(nodes.length);
  const inline = new Uint8Array(nodes.length);
  const xattrBlocks = new XattrBlocks();

  nodes.forEach((node, index) => {
    naming(inventory, index, () => {
      checkAttributes(node, inventory.links[index]!);
      const xattrs = placeXattrs(node.xattrs, XATTR_BODY_SIZE);
      xattrBlocks.add(index, xattrs.block);
      if (options.inlineData !== undefined && fitsInline(node, xattrs, verityTrees)) inline[index] = 1;
      else if (node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE) placement.place(index, 'symlinks', [{ logical: 0, count: 1 }]);
    });
  });

  for (let rank = 0; rank < directories.length; rank++) {
    const index = directories[rank]!;
    naming(inventory, index, () => {
      const directory = directoryOfRank(inventory, rank);
      // The kernel takes a root without blocks for a broken one.
      const room = options.inlineData === undefined || index === 0 ? 0 : inlineRoom(placeXattrs(nodes[index]!.xattrs, XATTR_BODY_SIZE).body);
      if (room > 0 && inlineDirectory(directory, room) !== undefined) inline[index] = 1;
      else placement.place(index, 'directories', [{ logical: 0, count: countDirectoryBlocks(directory) }]);
    });
  }

  const { owners, sharers } = shareBlocks(filesWithBlocks(inventory, inline, verityTrees), options.shared ?? new Map<FileNode, FileNode>(), verityTrees);
  const dataFiles = (options.order ?? bySimilarity)(owners).map((place) => owners[place]!.index);
  for (const index of dataFiles) naming(inventory, index, () => { placement.place(index, 'data', fileRuns(nodes[index] as FileNode, verityTrees)); });
  for (const [index, owner] of sharers) placement.share(index, owner, fileRuns(nodes[owner] as FileNode, verityTrees));

  placement.sizes.xattrs = xattrBlocks.blocks.length;
  placement.sizes.journal = journalBlockCount(options.journal ?? false, placement.bodyBlocks);
  const needs = { inodes: FIRST_FREE_INODE - 1 + nodes.length - 1, bodyBlocks: placement.bodyBlocks };
  const geometry = planGeometry(needs, options.size, options.freeBytes ?? 0);
  placement.settle(geometry.body, nodes);
  return { inventory, geometry, placement, inline, xattrBlocks, dataFiles, sharers, verityTrees, readContent: options.inlineData };
}

/** Files and symlinks; directories are tried when their entries are known. */
function fitsInline(node: TreeNode, { body, block }: XattrPlaces, verityTrees: ReadonlyMap<FileNode, Uint8Array>): boolean {
  const room = inlineRoom(body);
  if (node.kind === 'file') return node.content.size > 0 && node.content.size <= room && !verityTrees.has(node);
  // e2fsck 1.47 overlooks the xattr block of an inline symlink and calls it free.
  return node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE && node.target.length <= room && block.length === 0;
}

/** @returns the runs that i_block of any node maps. */
export function nodeRuns(layout: Layout, index: number): BlockRun[] {
  const { nodes } = layout.inventory;
  const node = nodes[layout.sharers.get(index) ?? index]!; // equal contents may come with other holes: those of the blocks count
  if (node.kind === 'file') return fileRuns(node, layout.verityTrees);
  const count = layout.placement.blockCounts[index]!;
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

interface PlacedFile extends DataFile { readonly index: number }

/** @returns the files that need blocks, in path order */
function filesWithBlocks({ nodes, entryNames, entryNodes }: Inventory, inline: Uint8Array, verityTrees: ReadonlyMap<FileNode, Uint8Array>): PlacedFile[] {
  const files: PlacedFile[] = [];
  let next = 1; // indexes are given in the order of entries, so a lower one is a further name of a hard link
  for (let at = 0; at < entryNodes.length; at++) {
    const index = entryNodes[at]!;
    if (index < next) continue;
    next = index + 1;
    const node = nodes[index]!;
    if (node.kind !== 'file' || inline[index] === 1 || (node.content.size === 0 && !verityTrees.has(node))) continue;
    files.push({ node, name: entryNames[at]!, index });
  }
  return files;
}

/** Parts the files that get blocks from those that use the blocks of another; one whose owner has none (inline) gets its own. */
function shareBlocks(
  files: readonly PlacedFile[], shared: ReadonlyMap<FileNode, FileNode>, verityTrees: ReadonlyMap<FileNode, Uint8Array>,
): { owners: PlacedFile[]; sharers: Map<number, number> } {
  const owners: PlacedFile[] = [];
  const sharers = new Map<number, number>();
  const placed = new Map<FileNode, number>();
  for (const file of files) {
    const original = shared.get(file.node);
    const owner = original && placed.get(original);
    if (owner !== undefined && original?.content.size === file.node.content.size && !verityTrees.has(file.node) && !verityTrees.has(original)) {
      sharers.set(file.index, owner);
    } else {
      owners.push(file);
      if (shared.size > 0) placed.set(file.node, file.index);
    }
  }
  return { owners, sharers };
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
