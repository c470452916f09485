/** `extract`: files of an image onto disk, with all that the user may set. */
import { availableParallelism } from 'node:os';
import { display, fromDisplayed } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { readTree } from '../ext4/reader/tree.js';
import type { Manifest } from '../format/manifest.js';
import { isHostFile, type Piece } from '../model/content.js';
import { walk, type DirectoryNode, type TreeNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ExtractReport } from '../tree/extract-report.js';
import { extractTree, type ExtractOptions } from '../tree/to-directory.js';
import { MiB } from '../units.js';
import { DecodeAhead } from './decode-ahead.js';
import type { ImageFiles } from './files.js';
import type { Image } from './image.js';
import { createPool, packingOf } from './pack.js';

/** Raw bytes from which on starting threads costs less than they save. */
const WORTH_THREADS = 16 * MiB;

export interface ExtractImageOptions extends ReadOptions {
  /** Give entries their owners; default whether we are root. */
  readonly owners?: boolean;
  /** Replace what is there; default false. */
  readonly overwrite?: boolean;
  /** @param bytes written so far @param entries names written so far */
  readonly onProgress?: (bytes: number, entries: number) => void;
}

/**
 * @param path in the image: of a directory its contents go into `targetDir`, anything else goes there under its own name
 * @throws PATH_MISSING; what extractTree and reading throw
 */
export async function extractImage(files: ImageFiles, path: string, targetDir: string, options: ExtractImageOptions = {}): Promise<ExtractReport> {
  const { signal } = options;
  const root = await files.run(readTree, { signal });
  const { directory, isWhole } = directoryFor(root, path);
  const { image } = files;
  const wanted = chunksOf(directory, image.manifest.index);
  const extract = (readPiece: ExtractOptions['readPiece']): Promise<ExtractReport> => extractTree(directory, targetDir, {
    ...options, rootAttributes: isWhole, readPiece, ...(image.isLocal ? { parallel: 1 } : {}), // nothing is waited for: one file after another is read in order
  });
  if (!image.isLocal) {
    const reader = new ReadAhead(image, wanted, signal);
    return extract((piece, at, length) => reader.read(piece, at, length));
  }
  const { descriptor } = image;
  if (descriptor === undefined || wanted.length * image.manifest.index.chunkSize < WORTH_THREADS) return extract((piece, at, length) => readPieceOf(image, piece, at, length));
  return withThreads(image, descriptor, wanted, signal, extract);
}

async function withThreads<T>(image: Image, fd: number, wanted: Uint32Array, signal: AbortSignal | undefined, use: (readPiece: ExtractOptions['readPiece']) => Promise<T>): Promise<T> {
  const { chunkSize } = image.manifest.index;
  const pool = createPool({ ...packingOf(image.manifest), jobs: availableParallelism(), signal });
  const ahead = new DecodeAhead(image, fd, pool, wanted, signal);
  try {
    return await use(async ({ source, sourceOffset }, at, length) => {
      const offset = sourceOffset + at;
      if (source instanceof Uint8Array) return source.subarray(offset, offset + length);
      await ahead.reach(Math.floor(offset / chunkSize), Math.floor((offset + length - 1) / chunkSize));
      return ahead.view.read(offset, length);
    });
  } finally {
    await pool.close();
  }
}

/** @returns the directory at `path` as a whole; or one that holds just what is at `path`, and stands for the target as it is */
function directoryFor(root: DirectoryNode, path: string): { readonly directory: DirectoryNode; readonly isWhole: boolean } {
  let node: TreeNode = root;
  let last = '';
  for (const name of fromDisplayed(path).split('/').filter((part) => part !== '' && part !== '.')) {
    const child: TreeNode | undefined = node.kind === 'directory' ? node.children.get(name) : undefined;
    if (child === undefined) {
      throw new ThawfsError('PATH_MISSING', `${path}: there is no "${display(name)}" in the image`, { detail: { path }, suggestion: 'List the image with thawfs ls; symlinks on the way are not followed.' });
    }
    node = child;
    last = name;
  }
  return node.kind === 'directory' ? { directory: node, isWhole: true } : { directory: { ...root, children: new Map([[last, node]]) }, isWhole: false };
}

/**
 * @returns bytes of a piece that lies in the image, which may be shared: they are only read
 * @throws as {@link Image.run}
 */
export function readPieceOf(image: Image, piece: Piece, at: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
  const { source, sourceOffset } = piece;
  if (source instanceof Uint8Array) return Promise.resolve(source.subarray(sourceOffset + at, sourceOffset + at + length));
  if (isHostFile(source)) throw new Error('a piece of an image cannot lie in a host file');
  return image.run((view) => view.read(sourceOffset + at, length), options);
}

/** How far requests reach ahead of what is being read, in bytes of chunks that are wanted. */
const WINDOW = 16 * MiB;

/** Files are extracted in the order in which they lie: the chunks that come next are fetched in large requests before they are asked for. */
class ReadAhead {
  private readonly chunkSize: number;
  /** How many of them were asked for, and how many lie before what was read last. */
  private asked = 0;
  private passed = 0;

  /** @param wanted chunks that the tree needs, ascending */
  constructor(private readonly image: Image, private readonly wanted: Uint32Array, private readonly signal: AbortSignal | undefined) {
    this.chunkSize = image.manifest.index.chunkSize;
  }

  read(piece: Piece, at: number, length: number): Promise<Uint8Array> {
    if (this.asked < this.wanted.length) this.askBeyond(Math.floor((piece.sourceOffset + at + length - 1) / this.chunkSize));
    return readPieceOf(this.image, piece, at, length, { signal: this.signal });
  }

  /** Asks for more when less than half a window is under way. A part of a file that lies far from the rest of it is not followed. */
  private askBeyond(chunk: number): void {
    const { wanted, asked, chunkSize } = this;
    const ahead = WINDOW / chunkSize;
    if (chunk > (wanted[asked + ahead] ?? Infinity)) return;
    while (this.passed < wanted.length && wanted[this.passed]! <= chunk) this.passed++;
    if (asked - this.passed > ahead / 2) return;
    this.asked = Math.min(wanted.length, Math.max(asked, this.passed) + ahead);
    const { size } = this.image.manifest.raw;
    const ranges = Array.from(wanted.subarray(asked, this.asked), (number) => ({ offset: number * chunkSize, length: Math.min(chunkSize, size - number * chunkSize) }));
    this.image.prefetch(ranges, { signal: this.signal }).catch(() => undefined); // Its failure shows again, where the bytes are needed.
  }
}

/** @returns the chunks that the files below `root` need, ascending */
function chunksOf(root: DirectoryNode, { chunkSize, chunkCount }: Manifest['index']): Uint32Array {
  const isWanted = new Uint8Array(chunkCount);
  for (const { node } of walk(root)) {
    if (node.kind !== 'file') continue;
    for (const { source, sourceOffset, length } of node.content.pieces) {
      if (!(source instanceof Uint8Array)) isWanted.fill(1, Math.floor(sourceOffset / chunkSize), Math.ceil((sourceOffset + length) / chunkSize));
    }
  }
  return Uint32Array.from(isWanted.keys()).filter((chunk) => isWanted[chunk] === 1);
}
