/** A tree as one comparable text: its dump with the digest of every content as read through the pieces, and where its holes are. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { toBytes } from '../../src/bytes/byte-string.js';
import { isHostFile } from '../../src/model/content.js';
import type { Content, Piece } from '../../src/model/content.js';
import { walk } from '../../src/model/tree.js';
import type { DirectoryNode, FileNode } from '../../src/model/tree.js';
import { formatDump } from '../../src/tree/dump.js';

/** @returns the bytes of a piece, wherever they are. */
export function readPiece(piece: Piece, offset = 0, length = piece.length): Uint8Array {
  const { source } = piece;
  if (source instanceof Uint8Array) return source.subarray(piece.sourceOffset + offset, piece.sourceOffset + offset + length);
  if (!isHostFile(source)) return source.read(piece.sourceOffset + offset, length);
  const bytes = Buffer.alloc(length);
  const fd = openSync(toBytes(source.path), 'r');
  try {
    const count = readSync(fd, bytes, 0, length, piece.sourceOffset + offset);
    if (count !== length) throw new Error(`${source.path} has ${count} bytes at ${piece.sourceOffset + offset}, expected ${length}`);
  } finally {
    closeSync(fd);
  }
  return bytes;
}

/** @returns the whole content; for files that fit in memory. */
export function readContent(content: Content): Buffer {
  const bytes = Buffer.alloc(content.size);
  for (const piece of content.pieces) bytes.set(readPiece(piece), piece.offset);
  return bytes;
}

function digestOf(file: FileNode): string {
  return createHash('sha256').update(readContent(file.content)).digest('hex');
}

/** @returns where a file has data, `0+8192,16384+100`; pieces that touch are one. */
function coverage(content: Content): string {
  const runs: [start: number, end: number][] = [];
  for (const { offset, length } of content.pieces) {
    const last = runs.at(-1);
    if (last?.[1] === offset) last[1] = offset + length;
    else runs.push([offset, offset + length]);
  }
  return runs.map(([start, end]) => `${start}+${end - start}`).join(',');
}

/** @returns lines that are equal exactly when the trees are, holes included. */
export function modelOf(root: DirectoryNode): string {
  const holes = [...walk(root)].flatMap(({ path, node }) => (node.kind === 'file' ? [`${path} data ${coverage(node.content)}`] : []));
  return `${formatDump(root, digestOf)}${holes.join('\n')}`;
}
