/** For each new file the old one that it was probably made from. */
import type { ByteString } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import type { Image } from '../image/image.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { keysOfImage } from './content-keys.js';

interface Named { readonly path: ByteString; readonly node: FileNode }

/**
 * With equal content wherever it is; else of the same path; else of a path that differs in what looks like versions; else of the
 * same name. Of several the one whose path ends alike longest, then the one of the nearest size.
 */
export async function matchFiles(old: Image, now: Image, before: DirectoryNode, after: DirectoryNode, options: ReadOptions): Promise<Map<FileNode, FileNode>> {
  const salt = parseHex(now.manifest.verity.salt, 'manifest.verity.salt');
  const [oldKeys, newKeys] = [keysOfImage(old, salt), keysOfImage(now, salt)];
  const [byKey, byPath, byShape, byName] = [new Map<string, FileNode>(), new Map<ByteString, FileNode>(), new Map<ByteString, Named[]>(), new Map<ByteString, Named[]>()];
  for (const { path, node } of walk(before)) {
    if (node.kind !== 'file') continue;
    byPath.set(path, node);
    listOf(byShape, shapeOf(path)).push({ path, node });
    listOf(byName, nameOf(path)).push({ path, node });
    byKey.set(await oldKeys.keyOf(node.content, options), node);
  }
  const matches = new Map<FileNode, FileNode>();
  for (const { path, node } of walk(after)) {
    if (node.kind !== 'file' || matches.has(node)) continue;
    const match = byKey.get(await newKeys.keyOf(node.content, options)) ?? byPath.get(path)
      ?? closest(byShape.get(shapeOf(path)), { path, node }) ?? closest(byName.get(nameOf(path)), { path, node });
    if (match !== undefined) matches.set(node, match);
  }
  return matches;
}

function listOf<K, V>(map: Map<K, V[]>, key: K): V[] {
  const known = map.get(key);
  if (known !== undefined) return known;
  const list: V[] = [];
  map.set(key, list);
  return list;
}

function nameOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Versions, with the letters that Debian and others put among their digits. */
function shapeOf(path: ByteString): ByteString {
  return path.replace(/\d+(?:[.+~_-]?[a-z]{0,4}\d+)*/g, '0');
}

function closest(candidates: readonly Named[] | undefined, { path, node: { content: { size } } }: Named): FileNode | undefined {
  let best: { readonly node: FileNode; readonly alike: number; readonly distance: number } | undefined;
  for (const { path: other, node } of candidates ?? []) {
    const [alike, distance] = [commonEnd(path, other), Math.abs(Math.log((node.content.size + 1) / (size + 1)))];
    if (best === undefined || alike > best.alike || (alike === best.alike && distance < best.distance)) best = { node, alike, distance };
  }
  return best?.node;
}

/** @returns characters at the ends of both that are the same */
function commonEnd(a: ByteString, b: ByteString): number {
  const most = Math.min(a.length, b.length);
  let count = 0;
  while (count < most && a.charCodeAt(a.length - 1 - count) === b.charCodeAt(b.length - 1 - count)) count++;
  return count;
}
