/** What has to be placed, wherever it will lie: the same for every layout of a tree. */
import { display } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { INODE_BLOCK_SIZE } from '../../format/ext4/inode.js';
import type { Content } from '../../model/content.js';
import type { FileNode, TreeNode } from '../../model/tree.js';
import { BLOCK_SIZE, roundUp } from '../../units.js';
import { checkAttributes } from './attributes.js';
import { blockRuns, countBlocks, type BlockRun } from './block-runs.js';
import type { DataFile } from './data-order.js';
import { countDirectoryBlocks, directoryOfRank } from './directory.js';
import { inlineDirectory, inlineRoom } from './inline-data.js';
import { pathOf, type Inventory } from './inventory.js';
import type { LayoutOptions } from './layout.js';
import { XATTR_BODY_SIZE } from './parameters.js';
import { placeXattrs, type XattrPlaces } from './xattr.js';
import { XattrBlocks } from './xattr-blocks.js';

export interface Demand {
  readonly inventory: Inventory;
  /** By node index: 1 = content inside the inode. */
  readonly inline: Uint8Array;
  /** By node index: blocks of its own, but for those of an extent tree. */
  readonly counts: Uint32Array;
  readonly xattrBlocks: XattrBlocks;
  /** Files that have data of their own, in path order. */
  readonly owners: readonly PlacedFile[];
  /** Node index of a file without blocks of its own -> the one whose blocks it uses. */
  readonly sharers: ReadonlyMap<number, number>;
  readonly verityTrees: ReadonlyMap<FileNode, Uint8Array>;
  /** @returns the runs that i_block of any node maps; those of the owner where blocks are shared, whose holes count. */
  readonly runsOf: (index: number) => BlockRun[];
}

export interface PlacedFile extends DataFile { readonly index: number }

/** fs-verity metadata begins at the first multiple of this at or after the end of the content (linux fs/ext4/verity.c). */
const VERITY_ALIGNMENT = 65_536;

/** @throws LIMIT_EXCEEDED, BAD_ARGUMENT, BAD_FIELD, each naming the path */
export function gatherDemand(inventory: Inventory, options: LayoutOptions): Demand {
  const { nodes, directories } = inventory;
  const verityTrees = options.verityTrees ?? new Map<FileNode, Uint8Array>();
  const inline = new Uint8Array(nodes.length);
  const counts = new Uint32Array(nodes.length);
  const xattrBlocks = new XattrBlocks();

  nodes.forEach((node, index) => {
    naming(inventory, index, () => {
      checkAttributes(node, inventory.links[index]!);
      const xattrs = placeXattrs(node.xattrs, XATTR_BODY_SIZE);
      xattrBlocks.add(index, xattrs.block);
      if (options.inlineData !== undefined && fitsInline(node, xattrs, verityTrees)) inline[index] = 1;
      else if (node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE) counts[index] = 1;
    });
  });

  for (let rank = 0; rank < directories.length; rank++) {
    const index = directories[rank]!;
    naming(inventory, index, () => {
      const directory = directoryOfRank(inventory, rank);
      // The kernel takes a root without blocks for a broken one.
      const room = options.inlineData === undefined || index === 0 ? 0 : inlineRoom(placeXattrs(nodes[index]!.xattrs, XATTR_BODY_SIZE).body);
      if (room > 0 && inlineDirectory(directory, room) !== undefined) inline[index] = 1;
      else counts[index] = countDirectoryBlocks(directory);
    });
  }

  const { owners, sharers } = shareBlocks(filesWithBlocks(inventory, inline, verityTrees), options.shared ?? new Map<FileNode, FileNode>(), verityTrees);
  for (const { index, node } of owners) naming(inventory, index, () => { counts[index] = countBlocks(fileRuns(node, verityTrees)); });
  const runsOf = (index: number): BlockRun[] => {
    const owner = sharers.get(index) ?? index;
    const node = nodes[owner]!;
    if (counts[owner] === 0) return [];
    return node.kind === 'file' ? fileRuns(node, verityTrees) : [{ logical: 0, count: counts[owner]! }];
  };
  return { inventory, inline, counts, xattrBlocks, owners, sharers, verityTrees, runsOf };
}

/** Files and symlinks; directories are tried when their entries are known. */
function fitsInline(node: TreeNode, { body, block }: XattrPlaces, verityTrees: ReadonlyMap<FileNode, Uint8Array>): boolean {
  const room = inlineRoom(body);
  if (node.kind === 'file') return node.content.size > 0 && node.content.size <= room && !verityTrees.has(node);
  // e2fsck 1.47 overlooks the xattr block of an inline symlink and calls it free.
  return node.kind === 'symlink' && node.target.length >= INODE_BLOCK_SIZE && node.target.length <= room && block.length === 0;
}

/** The runs of the content, then of the fs-verity metadata past it. */
function fileRuns(file: FileNode, verityTrees: ReadonlyMap<FileNode, Uint8Array>): BlockRun[] {
  const runs = blockRuns(file.content);
  const verity = verityTrees.get(file);
  if (verity === undefined) return runs;
  if (verity.length === 0 || verity.length % BLOCK_SIZE !== 0) {
    throw new ThawfsError('BAD_ARGUMENT', `fs-verity metadata of ${verity.length} bytes: must be whole blocks`, { detail: { size: verity.length } });
  }
  const logical = verityOffset(file) / BLOCK_SIZE;
  const last = runs.at(-1);
  if (last !== undefined && last.logical + last.count === logical) last.count += verity.length / BLOCK_SIZE;
  else runs.push({ logical, count: verity.length / BLOCK_SIZE });
  return runs;
}

/** @returns what a file's blocks hold: its content, and fs-verity metadata past it */
export function storedContent({ inventory, verityTrees }: Pick<Demand, 'inventory' | 'verityTrees'>, index: number): Content {
  const file = inventory.nodes[index] as FileNode;
  const verity = verityTrees.get(file);
  if (verity === undefined) return file.content;
  const offset = verityOffset(file);
  return { size: offset + verity.length, pieces: [...file.content.pieces, { offset, length: verity.length, source: verity, sourceOffset: 0 }] };
}

function verityOffset({ content }: FileNode): number {
  return roundUp(content.size, VERITY_ALIGNMENT);
}

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
      detail: { ...error.detail, path, inode: inventory.inodes[index]! }, cause: error.cause, ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}
