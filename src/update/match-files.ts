/** For each new file the old one that it was probably made from. */
import type { ByteString } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import type { Image } from '../image/image.js';
import type { Piece } from '../model/content.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { BLOCK_SIZE } from '../units.js';
import { keysOfImage, type ContentKeys } from './content-keys.js';
import { findSimilar } from './similar-files.js';

interface Named { readonly path: ByteString; readonly node: FileNode }

/**
 * With equal content wherever it is; else of the same path; else, if there is just one, of a path that differs in what looks like versions.
 * For what is left, what is gone is read: the one that has most in common. Else of such a path or of the same name; of several the one whose path
 * ends alike longest, then the one of the nearest size. Before one of the same path comes the only one that begins with the same block, when that is gone
 * or changed: rotated logs go on under names that others had.
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
  const unsure = new Map<FileNode, FileNode | undefined>();
  const changed = new Map<FileNode, FileNode>();
  const kept = new Set<FileNode>();
  for (const { path, node } of walk(after)) {
    if (node.kind !== 'file') continue;
    const samePath = byPath.get(path);
    if (samePath !== undefined) kept.add(samePath);
    if (matches.has(node)) continue;
    const alike = byShape.get(shapeOf(path));
    const equal = byKey.get(await newKeys.keyOf(node.content, options));
    if (equal === undefined && samePath !== undefined) changed.set(node, samePath);
    const sure = equal ?? samePath ?? (alike?.length === 1 ? alike[0]!.node : undefined);
    if (sure !== undefined) matches.set(node, sure);
    else unsure.set(node, closest(alike, { path, node }) ?? closest(byName.get(nameOf(path)), { path, node }));
  }
  const taken = new Set([...kept, ...matches.values()]);
  const gone = [...new Set(byPath.values())].filter((node) => !taken.has(node));
  const beginnings = await onlyOnes([...new Set([...gone, ...changed.values()])], oldKeys, options);
  for (const node of changed.keys()) {
    const match = beginnings.get(await beginningOf(node, newKeys, options));
    if (match !== undefined) matches.set(node, match);
  }
  const guesses = [...unsure.values()].filter((node) => node !== undefined);
  const similar = await findSimilar(old, now, [...new Set([...gone, ...guesses])], [...unsure.keys()], options);
  for (const [node, guess] of unsure) {
    const match = similar.get(node) ?? guess;
    if (match !== undefined) matches.set(node, match);
  }
  return matches;
}

/** @returns by what they begin with, the files that nobody shares that with */
async function onlyOnes(files: readonly FileNode[], keys: ContentKeys, options: ReadOptions): Promise<Map<string, FileNode | undefined>> {
  const found = new Map<string, FileNode | undefined>();
  for (const file of files) {
    const key = await beginningOf(file, keys, options);
    found.set(key, found.has(key) ? undefined : file);
  }
  return found;
}

/** @returns the key of the first block */
function beginningOf({ content: { size, pieces } }: FileNode, keys: ContentKeys, options: ReadOptions): Promise<string> {
  const first: Piece[] = [];
  for (const piece of pieces) {
    if (piece.offset >= BLOCK_SIZE) break;
    first.push({ ...piece, length: Math.min(piece.length, BLOCK_SIZE - piece.offset) });
  }
  return keys.keyOf({ size: Math.min(size, BLOCK_SIZE), pieces: first }, options);
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
