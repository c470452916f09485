/** Costs of ranges of a raw image, summed up for the files that lie there. */
import { display } from '../bytes/byte-string.js';
import type { Image } from '../image/image.js';
import { walk, type FileNode } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { readImageTree } from './image-tree.js';
import { regionsOf, type Region } from './regions.js';

export interface FileShare {
  /** Absolute, or `(metadata)`. */
  readonly path: string;
  /** Bytes of the file. */
  readonly size: number;
  costs: number;
}

export class FileShares {
  private readonly shares = new Map<FileNode | undefined, FileShare>();
  /** The first region that is not behind us: ranges come in order. */
  private next = 0;

  private constructor(private readonly regions: readonly Region[]) {
    this.shares.set(undefined, { path: '(metadata)', size: 0, costs: 0 });
  }

  /** Cost: the metadata of the image. @throws what reading it throws */
  static async of(image: Image, options: ReadOptions): Promise<FileShares> {
    const tree = await readImageTree(image, options);
    const files = new FileShares(regionsOf(tree, image.manifest.raw.fileSystemSize));
    for (const { path, node } of walk(tree)) {
      if (node.kind === 'file' && !files.shares.has(node)) files.shares.set(node, { path: `/${display(path)}`, size: node.content.size, costs: 0 });
    }
    return files;
  }

  /** @param offset of the range in the raw image, not before the last one. @param costs of all of it */
  add(offset: number, length: number, costs: number): void {
    const { regions } = this;
    const end = offset + length;
    while (this.next < regions.length && regions[this.next]!.end <= offset) this.next++;
    let [covered, i] = [0, this.next];
    for (; i < regions.length && regions[i]!.start < end; i++) {
      const part = Math.min(end, regions[i]!.end) - Math.max(offset, regions[i]!.start);
      this.shares.get(regions[i]!.file)!.costs += costs * part / length;
      covered += part;
    }
    this.shares.get(undefined)!.costs += costs * (length - covered) / length; // the hash area
  }

  /** @returns what costs something, dearest first, in whole bytes */
  list(): FileShare[] {
    return [...this.shares.values()].map((share) => ({ ...share, costs: Math.round(share.costs) })).filter(({ costs }) => costs > 0)
      .sort((a, b) => b.costs - a.costs || (a.path < b.path ? -1 : 1));
  }
}
