/** Changes that a user may ask for on any tree, wherever it comes from. */
import type { ByteString } from '../bytes/byte-string.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';
import { compileGlobs } from './glob.js';
import type { PathMatcher } from './glob.js';

export interface TreeFilters {
  /** Patterns of entries to leave out, a directory with all below it; see glob.ts for their form. Default none. */
  readonly exclude?: readonly string[];
  /** Owner of every entry; default as in the source. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  /** Seconds since 1970: what was modified later is given this time (SOURCE_DATE_EPOCH). Default none. */
  readonly clampMtime?: number;
}

/**
 * Changes `root` in place.
 *
 * @throws BAD_ARGUMENT for a pattern that is none
 */
export function applyFilters(root: DirectoryNode, filters: TreeFilters): void {
  const { exclude = [], owner, clampMtime } = filters;
  if (exclude.length > 0) removeMatching(root, compileGlobs(exclude));
  if (owner === undefined && clampMtime === undefined) return;
  // A pure change of attributes: doing it twice to a node with two names does no harm.
  const pending: TreeNode[] = [root];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (owner !== undefined) {
      node.uid = owner.uid;
      node.gid = owner.gid;
    }
    if (clampMtime !== undefined && (node.mtimeSeconds > clampMtime || (node.mtimeSeconds === clampMtime && node.mtimeNanoseconds > 0))) {
      node.mtimeSeconds = clampMtime;
      node.mtimeNanoseconds = 0;
    }
    if (node.kind === 'directory') for (const child of node.children.values()) pending.push(child);
  }
}

function removeMatching(root: DirectoryNode, matches: PathMatcher): void {
  const pending: { readonly directory: DirectoryNode; readonly prefix: ByteString }[] = [{ directory: root, prefix: '' }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const [name, node] of next.directory.children) {
      const path = next.prefix + name;
      if (matches(path, node.kind === 'directory')) next.directory.children.delete(name);
      else if (node.kind === 'directory') pending.push({ directory: node, prefix: `${path}/` });
    }
  }
}
