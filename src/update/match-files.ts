/** For each new file the old one that it was probably made from. */
import type { ByteString } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import type { Image } from '../image/image.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { keysOfImage } from './content-keys.js';

/**
 * With equal content wherever it is; else of the same path; else of a path that differs in what looks like versions; else of the
 * same name, the one of the nearest size.
 */
export async function matchFiles(old: Image, now: Image, before: DirectoryNode, after: DirectoryNode, options: ReadOptions): Promise<Map<FileNode, FileNode>> {
  const salt = parseHex(now.manifest.verity.salt, 'manifest.verity.salt');
  const [oldKeys, newKeys] = [keysOfImage(old, salt), keysOfImage(now, salt)];
  const [byKey, byPath, byShape, byName] = [new Map<string, FileNode>(), new Map<ByteString, FileNode>(), new Map<ByteString, FileNode>(), new Map<ByteString, FileNode[]>()];
  for (const { path, node } of walk(before)) {
    if (node.kind !== 'file') continue;
    byPath.set(path, node);
    byShape.set(shapeOf(path), node);
    const name = nameOf(path);
    byName.set(name, [...byName.get(name) ?? [], node]);
    byKey.set(await oldKeys.keyOf(node.content, options), node);
  }
  const matches = new Map<FileNode, FileNode>();
  for (const { path, node } of walk(after)) {
    if (node.kind !== 'file' || matches.has(node)) continue;
    const match = byKey.get(await newKeys.keyOf(node.content, options)) ?? byPath.get(path) ?? byShape.get(shapeOf(path)) ?? nearest(byName.get(nameOf(path)), node);
    if (match !== undefined) matches.set(node, match);
  }
  return matches;
}

function nameOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Versions, with the letters that Debian and others put among their digits. */
function shapeOf(path: ByteString): ByteString {
  return path.replace(/\d+(?:[.+~_-]?[a-z]{0,4}\d+)*/g, '0');
}

function nearest(candidates: readonly FileNode[] | undefined, { content: { size } }: FileNode): FileNode | undefined {
  const distance = (file: FileNode): number => Math.abs(Math.log((file.content.size + 1) / (size + 1)));
  return candidates?.reduce((best, file) => (distance(file) < distance(best) ? file : best));
}
