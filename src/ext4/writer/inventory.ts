/** Every inode and every directory entry of a tree in flat arrays, in the order that all later steps follow. */
import { display, type ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { NAME_MAX } from '../../format/ext4/directory.js';
import { FIRST_FREE_INODE, ROOT_INODE } from '../../format/ext4/superblock.js';
import { sortedNames, type DirectoryNode, type TreeNode } from '../../model/tree.js';

/** A node is known by its index: 0 = the root, then as numbered by {@link takeInventory}. */
export interface Inventory {
  readonly nodes: readonly TreeNode[];
  /** Inode numbers. */
  readonly inodes: Uint32Array;
  /** Names of a node; of a directory 2 + sub-directories. */
  readonly links: Uint32Array;
  /** Index of the directory that holds the first name; of the root, itself. */
  readonly parents: Uint32Array;
  /** Indexes of the directories, depth first; a place in this list is a directory's rank. */
  readonly directories: Uint32Array;
  /** By node index, for directories. */
  readonly ranks: Uint32Array;
  /** By rank: first entry in the two arrays below; one more item marks the end. */
  readonly entryStarts: Uint32Array;
  /** Names, directory by directory, each in byte order. */
  readonly entryNames: readonly ByteString[];
  readonly entryNodes: Uint32Array;
}

/**
 * Numbers the nodes: directories depth first in name order, the children of one directory in a row. So `find` reads the
 * inode tables from front to back, and `ls -l` of one directory touches neighbouring inodes.
 *
 * @throws BAD_ARGUMENT for a name that no directory can hold, or a directory that has two names
 */
export function takeInventory(root: DirectoryNode): Inventory {
  const { directoryCount, entryCount } = count(root);
  const nodes: TreeNode[] = [root];
  const links = new Uint32Array(entryCount + 1);
  const parents = new Uint32Array(entryCount + 1);
  const directories = new Uint32Array(directoryCount);
  const ranks = new Uint32Array(entryCount + 1);
  const entryStarts = new Uint32Array(directoryCount + 1);
  const entryNames: ByteString[] = [];
  const entryNodes = new Uint32Array(entryCount);
  const numbered = new Map<TreeNode, number>();

  links[0] = 2;
  const stack = [0];
  for (let rank = 0; rank < directoryCount; rank++) {
    const index = stack.pop()!;
    const directory = nodes[index] as DirectoryNode;
    directories[rank] = index;
    ranks[index] = rank;
    entryStarts[rank] = entryNames.length;
    const below: number[] = [];
    for (const name of sortedNames(directory)) {
      const child = directory.children.get(name)!;
      let number = child.kind === 'directory' ? undefined : numbered.get(child);
      if (number === undefined) {
        number = nodes.push(child) - 1;
        parents[number] = index;
        if (child.kind === 'directory') {
          below.push(number);
          links[number] = 1;
          links[index]!++;
        } else {
          numbered.set(child, number);
        }
      }
      links[number]!++;
      entryNodes[entryNames.push(name) - 1] = number;
    }
    for (let i = below.length - 1; i >= 0; i--) stack.push(below[i]!);
  }
  entryStarts[directoryCount] = entryNames.length;
  return { nodes, inodes: numbersInOrder(nodes.length), links, parents, directories, ranks, entryStarts, entryNames, entryNodes };
}

/** Sizes of the arrays, and the proof that the walk ends: every directory is met once. */
function count(root: DirectoryNode): { directoryCount: number; entryCount: number } {
  const met = new Set<DirectoryNode>([root]);
  let entryCount = 0;
  for (const directory of met) { // a Set visits what is added while it is walked
    entryCount += directory.children.size;
    for (const [name, child] of directory.children) {
      checkName(name);
      if (child.kind !== 'directory') continue;
      if (met.has(child)) throw new ThawfsError('BAD_ARGUMENT', `directory "${display(name)}" has two names`, { detail: { name: display(name) } });
      met.add(child);
    }
  }
  return { directoryCount: met.size, entryCount };
}

function checkName(name: ByteString): void {
  if (name.length > 0 && name.length <= NAME_MAX && name !== '.' && name !== '..' && !name.includes('/') && !name.includes('\0')) return;
  throw new ThawfsError('BAD_ARGUMENT', `"${display(name)}" cannot be a file name: 1 to ${NAME_MAX} bytes, no "/", no NUL, not "." or ".."`, {
    detail: { name: display(name) }, suggestion: 'Rename the file, or leave it out with --exclude.',
  });
}

/** The root has the fixed number, the others follow the reserved ones. */
function numbersInOrder(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, index) => (index === 0 ? ROOT_INODE : FIRST_FREE_INODE - 1 + index));
}

/** @returns the path of a node's first name, for messages; slow. */
export function pathOf(inventory: Inventory, index: number): ByteString {
  const parts: ByteString[] = [];
  for (let at = index; at !== 0; at = inventory.parents[at]!) parts.unshift(inventory.entryNames[inventory.entryNodes.indexOf(at)]!);
  return parts.join('/');
}
