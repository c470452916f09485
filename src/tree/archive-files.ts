/** Files by their paths in an archive that was read as a tree. */
import { posix } from 'node:path';
import type { ByteString } from '../bytes/byte-string.js';
import type { Content } from '../model/content.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';

const SYMLINKS_MAX = 8;

/** @returns the content of the file at `path`, undefined when there is none. Layers that are alike are symlinks to one another in older archives: `../ID/layer.tar`. */
export function fileAt(root: DirectoryNode, path: ByteString): Content | undefined {
  let place = path;
  for (let followed = 0; followed < SYMLINKS_MAX; followed++) {
    let node: TreeNode | undefined = root;
    for (const name of place.split('/')) node = node?.kind === 'directory' ? node.children.get(name) : undefined;
    if (node?.kind !== 'symlink') return node?.kind === 'file' ? node.content : undefined;
    place = posix.join(posix.dirname(place), node.target);
  }
  return undefined;
}
