/** `dump`: an image as text, one line per name; `build dump:FILE` reads it back. */
import { createHash } from 'node:crypto';
import type { FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { DumpLines } from '../tree/dump.js';
import { MiB } from '../units.js';
import { readPieceOf } from './extract.js';
import type { ImageFiles } from './files.js';
import type { Image } from './image.js';
import { walkImage } from './walk.js';

export interface DumpOptions extends ReadOptions {
  /** Add the SHA-256 of every file, for which the whole image is read; default false. */
  readonly digests?: boolean;
}

/** @returns the lines that src/tree/dump.ts describes, each with its newline; memory as of {@link walkImage} */
export async function* dumpImage(files: ImageFiles, { digests = false, ...options }: DumpOptions = {}): AsyncGenerator<string, void, undefined> {
  const lines = new DumpLines();
  for await (const visit of walkImage(files, options)) {
    const { node, links } = visit;
    const isWanted = digests && node.kind === 'file' && lines.firstPath(node) === undefined;
    yield lines.line(visit, isWanted ? (await digestOf(files.image, node, options)).sha256 : undefined, node.kind === 'directory' || links < 2);
  }
}

/** Reads a file's content once, holes as zeros. @returns also the bytes it has */
export async function digestOf(image: Image, { content }: FileNode, options: ReadOptions = {}): Promise<{ readonly size: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  let end = 0;
  for (const piece of content.pieces) {
    addZeros(hash, piece.offset - end);
    for (let at = 0; at < piece.length; at += MiB) hash.update(await readPieceOf(image, piece, at, Math.min(MiB, piece.length - at), options));
    end = piece.offset + piece.length;
  }
  addZeros(hash, content.size - end);
  return { size: content.size, sha256: hash.digest('hex') };
}

const zeros = new Uint8Array(MiB);

function addZeros(hash: ReturnType<typeof createHash>, count: number): void {
  for (let left = count; left > 0; left -= MiB) hash.update(zeros.subarray(0, Math.min(left, MiB)));
}
