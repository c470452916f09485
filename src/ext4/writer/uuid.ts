/** The default uuid: derived from the tree, so that equal trees have equal images without a clock or a dice. */
import { sha256 } from '../../hash/sha256.js';
import type { TreeNode } from '../../model/tree.js';
import type { Inventory } from './inventory.js';

/** Text hashed at a time. */
const BATCH_SIZE = 64 * 1024;

/**
 * UUID version 8 (RFC 9562) of SHA-256 over names, kinds, sizes, modes, ids, times, targets and attributes; not over
 * contents, which may not have been read yet. Fields end in NUL, which no name contains.
 */
export function treeUuid(inventory: Inventory): Uint8Array {
  let digest: Uint8Array = new Uint8Array(0);
  let batch = '';
  const add = (text: string): void => {
    batch += text;
    if (batch.length < BATCH_SIZE) return;
    digest = sha256(digest, Buffer.from(batch, 'latin1'));
    batch = '';
  };
  inventory.nodes.forEach((node) => { add(describe(node)); });
  inventory.directories.forEach((index, rank) => { add(`${index} ${inventory.entryStarts[rank]!}\0`); });
  inventory.entryNames.forEach((name, at) => { add(`${inventory.entryNodes[at]!} ${name}\0`); });
  digest = sha256(digest, Buffer.from(batch, 'latin1'));

  const uuid = digest.slice(0, 16);
  uuid[6] = uuid[6]! & 0x0f | 0x80;
  uuid[8] = uuid[8]! & 0x3f | 0x80;
  return uuid;
}

function describe(node: TreeNode): string {
  const attributes = node.xattrs.map(({ name, value }) => `${name}=${Buffer.from(value).toString('hex')}\0`).join('');
  return `${node.kind} ${node.permissions} ${node.uid} ${node.gid} ${node.mtimeSeconds} ${node.mtimeNanoseconds} ${special(node)}\0${attributes}\0`;
}

function special(node: TreeNode): string {
  switch (node.kind) {
    case 'file': return String(node.content.size);
    case 'symlink': return node.target;
    case 'character-device': case 'block-device': return `${node.major}:${node.minor}`;
    default: return '';
  }
}
