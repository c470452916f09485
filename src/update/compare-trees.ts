/** Two trees, name by name: what was added, removed, changed, moved, or has other attributes. */
import type { ByteString } from '../bytes/byte-string.js';
import { walk, type DirectoryNode, type FileNode, type TreeNode } from '../model/tree.js';

export type ChangeKind = 'added' | 'removed' | 'changed' | 'moved' | 'metadata';
/** What differs. `links`: the name is a hard link to another file than before. */
export type ChangedField = 'content' | 'kind' | 'target' | 'device' | 'permissions' | 'owner' | 'mtime' | 'xattrs' | 'links';

export interface TreeChange {
  readonly change: ChangeKind;
  /** From the root without a leading slash; the root itself is empty. */
  readonly path: ByteString;
  /** Of what is there now; for what was removed, of what was there. */
  readonly node: TreeNode;
  /** Where it was: only `moved`. */
  readonly from?: ByteString;
  /** Empty for what was added, removed, or moved as it is. */
  readonly fields: readonly ChangedField[];
}

/** Tells contents apart, at the least cost. */
export interface Contents {
  /** @returns whether two files under one name hold the same */
  equal(before: FileNode, after: FileNode): Promise<boolean>;
  keyBefore(file: FileNode): Promise<string>;
  keyAfter(file: FileNode): Promise<string>;
}

/**
 * Moved: a file that is there under a new name only, with content that was there under an old name only; pairs are made in byte order
 * of the names. Empty files have not moved, they look alike.
 *
 * @returns ascending by path
 */
export async function compareTrees(before: DirectoryNode, after: DirectoryNode, contents: Contents): Promise<TreeChange[]> {
  const firstBefore = firstNames(before);
  const firstAfter = firstNames(after);
  const changes: TreeChange[] = [];
  const added = new Map<ByteString, TreeNode>();
  const removed = new Map<ByteString, TreeNode>();
  for (const { path, former, now } of walkBoth(before, after)) {
    if (now === undefined) { removed.set(path, former!); continue; }
    if (former === undefined) { added.set(path, now); continue; }
    const substance = await substanceChanged(former, now, contents);
    const isLinkedElsewhere = (firstBefore.get(former) ?? path) !== (firstAfter.get(now) ?? path);
    const fields = [...substance, ...attributesChanged(former, now), ...(isLinkedElsewhere ? ['links' as const] : [])];
    if (fields.length > 0) changes.push({ change: substance.length > 0 ? 'changed' : 'metadata', path, node: now, fields });
  }
  for (const { path, from } of await findMoved(removed, added, contents)) {
    const node = added.get(path)!;
    changes.push({ change: 'moved', path, from, node, fields: attributesChanged(removed.get(from)!, node) });
    added.delete(path);
    removed.delete(from);
  }
  for (const [path, node] of added) changes.push({ change: 'added', path, node, fields: [] });
  for (const [path, node] of removed) changes.push({ change: 'removed', path, node, fields: [] });
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** What two trees have under one name; one of them may have nothing there. */
interface Pair { readonly path: ByteString; readonly former: TreeNode | undefined; readonly now: TreeNode | undefined }

/** As `walk`, over both trees at once: paths are made as they are met, for to hold those of two large trees takes more memory than the trees. */
function* walkBoth(before: DirectoryNode, after: DirectoryNode): Generator<Pair, undefined> {
  const stack: Pair[] = [{ path: '', former: before, now: after }];
  for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
    yield pair;
    const [former, now] = [childrenOf(pair.former), childrenOf(pair.now)];
    const prefix = pair.path === '' ? '' : `${pair.path}/`;
    const names = [...new Set([...former.keys(), ...now.keys()])].sort();
    for (const name of names.reverse()) stack.push({ path: prefix + name, former: former.get(name), now: now.get(name) });
  }
}

const nothing: DirectoryNode['children'] = new Map();

function childrenOf(node: TreeNode | undefined): DirectoryNode['children'] {
  return node?.kind === 'directory' ? node.children : nothing;
}

/** @returns the first name of each node that has several */
function firstNames(root: DirectoryNode): Map<TreeNode, ByteString> {
  const seen = new Set<TreeNode>();
  const linked = new Set<TreeNode>();
  for (const { node } of walk(root)) (seen.has(node) ? linked : seen).add(node);
  const firsts = new Map<TreeNode, ByteString>();
  for (const { path, node } of walk(root)) if (linked.has(node) && !firsts.has(node)) firsts.set(node, path);
  return firsts;
}

async function substanceChanged(before: TreeNode, after: TreeNode, contents: Contents): Promise<ChangedField[]> {
  if (before.kind === 'file' && after.kind === 'file') return before.content.size === after.content.size && await contents.equal(before, after) ? [] : ['content'];
  if (before.kind === 'symlink' && after.kind === 'symlink') return before.target === after.target ? [] : ['target'];
  if (before.kind !== after.kind) return ['kind'];
  if (isDevice(before) && isDevice(after)) return before.major === after.major && before.minor === after.minor ? [] : ['device'];
  return [];
}

function isDevice(node: TreeNode): node is TreeNode & { readonly kind: 'character-device' | 'block-device' } {
  return node.kind === 'character-device' || node.kind === 'block-device';
}

function attributesChanged(before: TreeNode, after: TreeNode): ChangedField[] {
  const fields: ChangedField[] = [];
  if (before.permissions !== after.permissions) fields.push('permissions');
  if (before.uid !== after.uid || before.gid !== after.gid) fields.push('owner');
  if (before.mtimeSeconds !== after.mtimeSeconds || before.mtimeNanoseconds !== after.mtimeNanoseconds) fields.push('mtime');
  if (!sameXattrs(before, after)) fields.push('xattrs');
  return fields;
}

function sameXattrs({ xattrs: before }: TreeNode, { xattrs: after }: TreeNode): boolean {
  return before.length === after.length && before.every(({ name, value }, i) => name === after[i]!.name && Buffer.compare(value, after[i]!.value) === 0);
}

async function findMoved(removed: ReadonlyMap<ByteString, TreeNode>, added: ReadonlyMap<ByteString, TreeNode>, contents: Contents): Promise<{ path: ByteString; from: ByteString }[]> {
  const sizes = new Set([...removed.values()].flatMap((node) => (isFull(node) ? [node.content.size] : [])));
  const arrived: { path: ByteString; node: FileNode }[] = [];
  for (const [path, node] of added) if (isFull(node) && sizes.has(node.content.size)) arrived.push({ path, node });
  const wanted = new Set(arrived.map(({ node }) => node.content.size));
  const left = new Map<string, ByteString[]>();
  for (const [path, node] of removed) {
    if (!isFull(node) || !wanted.has(node.content.size)) continue;
    const key = await contents.keyBefore(node);
    left.set(key, [...left.get(key) ?? [], path]);
  }
  const moved: { path: ByteString; from: ByteString }[] = [];
  for (const { path, node } of arrived) {
    const from = left.get(await contents.keyAfter(node))?.shift();
    if (from !== undefined) moved.push({ path, from });
  }
  return moved;
}

function isFull(node: TreeNode): node is FileNode {
  return node.kind === 'file' && node.content.size > 0;
}

