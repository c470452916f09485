/** `extract`: files of an image onto disk, with all that the user may set. */
import { display, fromText } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import { readTree } from '../ext4/reader/tree.js';
import { isHostFile, type Piece } from '../model/content.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ExtractReport } from '../tree/extract-report.js';
import { extractTree } from '../tree/to-directory.js';
import { MiB } from '../units.js';
import type { ImageFiles } from './files.js';
import type { Image } from './image.js';

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
  const reader = new ReadAhead(files.image, signal);
  const { directory, isWhole } = directoryFor(root, path);
  return extractTree(directory, targetDir, { ...options, rootAttributes: isWhole, readPiece: (piece, at, length) => reader.read(piece, at, length) });
}

/** @returns the directory at `path` as a whole; or one that holds just what is at `path`, and stands for the target as it is */
function directoryFor(root: DirectoryNode, path: string): { readonly directory: DirectoryNode; readonly isWhole: boolean } {
  let node: TreeNode = root;
  let last = '';
  for (const name of fromText(path).split('/').filter((part) => part !== '' && part !== '.')) {
    const child: TreeNode | undefined = node.kind === 'directory' ? node.children.get(name) : undefined;
    if (child === undefined) {
      throw new ThawfsError('PATH_MISSING', `${path}: there is no "${display(name)}" in the image`, { detail: { path }, suggestion: 'List the image with thawfs ls; symlinks on the way are not followed.' });
    }
    node = child;
    last = name;
  }
  return node.kind === 'directory' ? { directory: node, isWhole: true } : { directory: { ...root, children: new Map([[last, node]]) }, isWhole: false };
}

/** @returns bytes of a piece that lies in the image */
export function readPieceOf(image: Image, piece: Piece, at: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
  const { source, sourceOffset } = piece;
  if (source instanceof Uint8Array) return Promise.resolve(source.subarray(sourceOffset + at, sourceOffset + at + length));
  if (isHostFile(source)) throw new Error('a piece of an image cannot lie in a host file');
  return image.read(sourceOffset + at, length, options);
}

/** How far the next requests reach ahead of what is being read. */
const WINDOW = 8 * MiB;

/** Files are mostly extracted in the order in which they lie: what comes next is fetched in large requests before it is asked for. */
class ReadAhead {
  private fetched = 0;

  constructor(private readonly image: Image, private readonly signal: AbortSignal | undefined) {}

  read(piece: Piece, at: number, length: number): Promise<Uint8Array> {
    const offset = piece.sourceOffset + at;
    if (offset >= this.fetched - WINDOW / 2 && offset < this.fetched + WINDOW) this.fetch(Math.max(offset, this.fetched));
    else if (offset >= this.fetched || offset + WINDOW < this.fetched) this.fetched = offset + length; // a jump: go on from there
    return readPieceOf(this.image, piece, at, length, { signal: this.signal });
  }

  private fetch(from: number): void {
    const end = Math.min(from + WINDOW, this.image.manifest.raw.size);
    this.fetched = end;
    // Its failure shows again, where the bytes are needed.
    if (end > from) this.image.prefetch([{ offset: from, length: end - from }], { signal: this.signal }).catch(() => undefined);
  }
}
