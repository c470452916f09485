/** What an update costs whom: the frames that a host with the old image lacks, divided among the files that lie in them. */
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import type { ChunkTable } from './chunk-table.js';

export interface DownloadCost {
  /** Frames that must be fetched, bytes, each once. */
  readonly total: number;
  /** Bytes by file; only those that cost something. */
  readonly files: ReadonlyMap<FileNode, number>;
  /** File system metadata, hash tree, and what lies between files. */
  readonly metadata: number;
}

interface Share { readonly file: FileNode; bytes: number }

/**
 * A frame's bytes are divided by the bytes that files have in its chunk; in a chunk that changed files have a part in, they alone pay,
 * and unchanged files pay where nothing but their place has changed. The shares add up exactly.
 *
 * @param isChanged whether a file is new or has new content
 * @param lacks whether the frame of a chunk has to be fetched
 */
export function divideCost(root: DirectoryNode, table: ChunkTable, isChanged: (file: FileNode) => boolean, lacks: (number: number) => boolean): DownloadCost {
  const shares = new Map<number, Share[]>();
  for (const file of filesOf(root)) {
    for (const { source, sourceOffset, length } of file.content.pieces) {
      if (!(source instanceof Uint8Array)) addShares(shares, file, sourceOffset, sourceOffset + length, table.chunkSize, lacks);
    }
  }
  const files = new Map<FileNode, number>();
  let [total, metadata] = [0, 0];
  for (const number of eachOnce(table, lacks)) {
    const frameSize = table.frameSize(number);
    total += frameSize;
    const inside = shares.get(number) ?? [];
    const changed = inside.filter(({ file }) => isChanged(file));
    const payers = changed.length > 0 ? changed : inside;
    if (payers.length === 0) metadata += frameSize;
    else divide(frameSize, payers, files);
  }
  return { total, files, metadata };
}

/** @returns whether the frame of a chunk has to be fetched by a host with the old image: those of the hash area are computed @param hashOffset of the new one */
export function lackedChunks(old: ChunkTable, now: ChunkTable, hashOffset: number): (number: number) => boolean {
  const had = old.firstByKey();
  return (number) => number * now.chunkSize < hashOffset && !had.has(now.key(number));
}

/** @returns bytes of the frames that have to be fetched, each once */
export function downloadSize(table: ChunkTable, lacks: (number: number) => boolean): number {
  let total = 0;
  for (const number of eachOnce(table, lacks)) total += table.frameSize(number);
  return total;
}

function* eachOnce(table: ChunkTable, lacks: (number: number) => boolean): Generator<number> {
  const fetched = new Set<string>();
  for (let number = 0; number < table.count; number++) {
    if (!lacks(number) || fetched.has(table.key(number))) continue;
    fetched.add(table.key(number));
    yield number;
  }
}

function filesOf(root: DirectoryNode): Set<FileNode> {
  const files = new Set<FileNode>();
  for (const { node } of walk(root)) if (node.kind === 'file') files.add(node);
  return files;
}

function addShares(shares: Map<number, Share[]>, file: FileNode, start: number, end: number, chunkSize: number, lacks: (number: number) => boolean): void {
  for (let number = Math.floor(start / chunkSize); number * chunkSize < end; number++) {
    if (!lacks(number)) continue;
    const bytes = Math.min(end, (number + 1) * chunkSize) - Math.max(start, number * chunkSize);
    let inside = shares.get(number);
    if (inside === undefined) shares.set(number, inside = []);
    const last = inside.at(-1);
    if (last?.file === file) last.bytes += bytes;
    else inside.push({ file, bytes });
  }
}

function divide(frameSize: number, payers: readonly Share[], files: Map<FileNode, number>): void {
  const whole = payers.reduce((sum, { bytes }) => sum + bytes, 0);
  let [seen, paid] = [0, 0];
  for (const { file, bytes } of payers) {
    seen += bytes;
    const until = Math.floor(frameSize * seen / whole);
    files.set(file, (files.get(file) ?? 0) + until - paid);
    paid = until;
  }
}
