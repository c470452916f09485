/** Inode numbers of a tree that is laid out on a base: what was there keeps its number, also under another name. */
import { FIRST_FREE_INODE, ROOT_INODE } from '../../format/ext4/superblock.js';
import type { TreeNode } from '../../model/tree.js';
import { likeness, type BaseInode, type BaseLayout } from '../base-layout.js';
import type { Inventory } from './inventory.js';

/**
 * First by path; then what is new here and what is gone there are paired by what they look like, and below moved directories by
 * name; what is left takes the lowest free numbers.
 *
 * @returns inode numbers by node index
 */
export function numberOnBase(inventory: Inventory, { inodes: former }: BaseLayout): Uint32Array {
  const { nodes } = inventory;
  const numbers = new Uint32Array(nodes.length);
  const taken = new Set<number>();
  const give = (index: number, number: number): void => {
    numbers[index] = number;
    taken.add(number);
  };
  const fits = (index: number, number: number | undefined): number is number => number !== undefined && !taken.has(number) && former.get(number)?.kind === nodes[index]!.kind;
  /** Pairs the names of one directory. */
  const pairNames = (rank: number): void => {
    const before = former.get(numbers[inventory.directories[rank]!]!)?.children;
    for (let at = inventory.entryStarts[rank]!; before !== undefined && at < inventory.entryStarts[rank + 1]!; at++) {
      const index = inventory.entryNodes[at]!;
      const number = before.get(inventory.entryNames[at]!);
      if (numbers[index] === 0 && fits(index, number)) give(index, number);
    }
  };

  give(0, ROOT_INODE);
  for (let rank = 0; rank < inventory.directories.length; rank++) pairNames(rank);

  const gone = goneByLikeness(former, taken);
  for (let rank = 0; rank < inventory.directories.length; rank++) {
    pairNames(rank); // a directory that has moved has its number by now
    for (let at = inventory.entryStarts[rank]!; at < inventory.entryStarts[rank + 1]!; at++) {
      const index = inventory.entryNodes[at]!;
      if (numbers[index] !== 0) continue;
      const candidates = gone.get(likenessOf(nodes[index]!));
      while (candidates !== undefined && candidates.length > 0) {
        const number = candidates.pop()!;
        if (!fits(index, number)) continue;
        give(index, number);
        break;
      }
    }
  }

  let next = FIRST_FREE_INODE;
  for (let index = 0; index < nodes.length; index++) {
    if (numbers[index] !== 0) continue;
    while (taken.has(next)) next++;
    numbers[index] = next++;
  }
  return numbers;
}

/** @returns numbers of the inodes that no path leads to any more, lowest last */
function goneByLikeness(former: ReadonlyMap<number, BaseInode>, taken: ReadonlySet<number>): Map<string, number[]> {
  const gone = new Map<string, number[]>();
  for (const number of [...former.keys()].sort((a, b) => b - a)) {
    if (taken.has(number)) continue;
    const key = likeness(former.get(number)!);
    const list = gone.get(key);
    if (list === undefined) gone.set(key, [number]);
    else list.push(number);
  }
  return gone;
}

function likenessOf(node: TreeNode): string {
  return likeness({ ...node, size: node.kind === 'file' ? node.content.size : node.kind === 'symlink' ? node.target.length : 0 });
}
