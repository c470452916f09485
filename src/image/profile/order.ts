/** The order of data on disk that a profile asks for: the files that were read first, in that order; then the others as usual. */
import type { ByteString } from '../../bytes/byte-string.js';
import { bySimilarity, type DataOrder } from '../../ext4/writer/data-order.js';
import type { DirectoryNode, FileNode, TreeNode } from '../../model/tree.js';
import type { Profile } from './profile.js';

/** @param shared files that use the blocks of another: that one is moved */
export function byProfile(root: DirectoryNode, { visits }: Profile, shared?: ReadonlyMap<FileNode, FileNode>): DataOrder {
  const ranks = new Map<FileNode, number>();
  for (const { path, ranges } of visits) {
    const node = ranges.length === 0 ? undefined : nodeAt(root, path);
    if (node?.kind !== 'file') continue;
    const owner = shared?.get(node) ?? node;
    if (!ranks.has(owner)) ranks.set(owner, ranks.size);
  }
  return (files) => {
    const rank = (place: number): number => ranks.get(files[place]!.node) ?? Infinity;
    const usual = bySimilarity(files);
    const hot = usual.filter((place) => rank(place) < Infinity).sort((a, b) => rank(a) - rank(b));
    const ordered = new Uint32Array(usual.length);
    ordered.set(hot);
    ordered.set(usual.filter((place) => rank(place) === Infinity), hot.length);
    return ordered;
  };
}

function nodeAt(root: DirectoryNode, path: ByteString): TreeNode | undefined {
  let node: TreeNode | undefined = root;
  for (const name of path.split('/')) {
    if (name === '') continue;
    node = node?.kind === 'directory' ? node.children.get(name) : undefined;
  }
  return node;
}
