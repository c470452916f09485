/** The file system of an image as a row of regions: parts of files, and what lies between them. */
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import { BLOCK_SIZE, roundUp } from '../units.js';
import { Extents } from './extents.js';

/** A part of a raw image. */
export interface Region {
  readonly start: number;
  readonly end: number;
  readonly file?: FileNode;
  /** Position in the extents of the file. */
  readonly position: number;
}

/**
 * @returns the whole file system in order: parts of files, and what lies between them; shared blocks belong to the first name. All begin and end
 *   with whole blocks of ours: where a file system of smaller ones has several files in one, that lies between them
 */
export function regionsOf(root: DirectoryNode, size: number): Region[] {
  const parts: Region[] = [];
  const seen = new Set<FileNode>();
  for (const { node } of walk(root)) {
    if (node.kind !== 'file' || seen.has(node)) continue;
    seen.add(node);
    let position = 0;
    for (const { offset, length } of Extents.ofFile(node).ranges) {
      const start = roundUp(offset, BLOCK_SIZE);
      const end = offset + length - (offset + length) % BLOCK_SIZE;
      if (end > start) parts.push({ start, end, file: node, position: position + start - offset });
      position += length;
    }
  }
  parts.sort((a, b) => a.start - b.start);
  const regions: Region[] = [];
  let at = 0;
  for (const part of parts) {
    if (part.start > at) regions.push({ start: at, end: part.start, position: 0 });
    if (part.end > at) regions.push(part.start >= at ? part : { ...part, start: at, position: part.position + at - part.start });
    at = Math.max(at, part.end);
  }
  if (at < size) regions.push({ start: at, end: size, position: 0 });
  return regions;
}
