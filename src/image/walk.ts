/** The files of an image one after the other, read directory by directory: for what looks at each once, in a tree of any size. */
import { MetInodes, readDirectory, readRoot } from '../ext4/reader/tree.js';
import { ROOT_INODE } from '../format/ext4/superblock.js';
import type { Visit } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ImageFiles } from './files.js';

/** Directories come without their children. */
export interface ImageVisit extends Visit {
  readonly inodeNumber: number;
  /** Link count of the inode. */
  readonly links: number;
}

/**
 * In the order of `walk` in src/model/tree.ts; names that share an inode share a node. Reads metadata only.
 * Memory: the directories from the root to here, and a number for each file that was met.
 *
 * @throws what readTree and reading throw
 */
export async function* walkImage(files: ImageFiles, options: ReadOptions = {}): AsyncGenerator<ImageVisit, void, undefined> {
  const met = new MetInodes();
  const root = await files.run((reader) => ({ node: readRoot(reader), links: reader.inode(ROOT_INODE).links }), options);
  const stack: ImageVisit[] = [{ name: '', path: '', inodeNumber: ROOT_INODE, ...root }];
  for (let visit = stack.pop(); visit !== undefined; visit = stack.pop()) {
    yield visit;
    if (visit.node.kind !== 'directory') continue;
    const { inodeNumber, path } = visit;
    const prefix = path === '' ? '' : `${path}/`;
    const entries = await files.run((reader) => readDirectory(reader, inodeNumber), options);
    for (const named of entries.sort((a, b) => (a.name < b.name ? 1 : -1))) { // the first name on top
      const { name, inode: { number, links } } = named;
      stack.push({ name, path: prefix + name, node: met.nodeOf(named), inodeNumber: number, links });
    }
  }
}
