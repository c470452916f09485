/** Which node has which blocks: counted within its region first, since the regions begin where the inode tables end. */
import type { TreeNode } from '../../model/tree.js';
import { countBlocks, type BlockRun } from './block-runs.js';
import { extentTreeBlockCount } from './extents.js';

/** Parts of the body, in their order on disk. */
const regions = ['directories', 'symlinks', 'xattrs', 'trees', 'journal', 'data'] as const;
export type Region = typeof regions[number];

/** Region of what i_block of a node maps. */
type NodeRegion = 'directories' | 'symlinks' | 'data';

export class Placement {
  /** By node index: first block of what i_block maps, meaningless without blocks; its runs lie one after another from there. */
  readonly firstBlocks: Uint32Array;
  /** By node index: blocks that i_block maps. */
  readonly blockCounts: Uint32Array;
  /** Node index -> first block of its extent tree, for nodes that have one, in the order of these blocks. */
  readonly treeBlocks = new Map<number, number>();
  /** Blocks of each region. */
  readonly sizes: Record<Region, number> = { directories: 0, symlinks: 0, xattrs: 0, trees: 0, journal: 0, data: 0 };
  /** First block of each region, known after {@link settle}. */
  readonly starts: Record<Region, number> = { ...this.sizes };

  constructor(nodeCount: number) {
    this.firstBlocks = new Uint32Array(nodeCount);
    this.blockCounts = new Uint32Array(nodeCount);
  }

  /** Gives a node the next blocks of a region, and an extent tree if its runs need one. */
  place(index: number, region: NodeRegion, runs: readonly BlockRun[]): void {
    const count = countBlocks(runs);
    this.blockCounts[index] = count;
    this.firstBlocks[index] = this.sizes[region];
    this.sizes[region] += count;
    this.#placeTree(index, runs);
  }

  /** Lets a file use the blocks of `owner`; an extent tree it has of its own, as its checksums name the inode. */
  share(index: number, owner: number, runs: readonly BlockRun[]): void {
    this.blockCounts[index] = this.blockCounts[owner]!;
    this.firstBlocks[index] = this.firstBlocks[owner]!;
    this.#placeTree(index, runs);
  }

  #placeTree(index: number, runs: readonly BlockRun[]): void {
    const count = extentTreeBlockCount(runs);
    if (count === 0) return;
    this.treeBlocks.set(index, this.sizes.trees);
    this.sizes.trees += count;
  }

  get bodyBlocks(): number {
    return regions.reduce((sum, region) => sum + this.sizes[region], 0);
  }

  /** Turns all places into block numbers. @param body first block of the body */
  settle(body: number, nodes: readonly TreeNode[]): void {
    let next = body;
    for (const region of regions) {
      this.starts[region] = next;
      next += this.sizes[region];
    }
    const { firstBlocks, treeBlocks, starts } = this;
    nodes.forEach(({ kind }, index) => { firstBlocks[index]! += starts[kind === 'directory' ? 'directories' : kind === 'symlink' ? 'symlinks' : 'data']; });
    treeBlocks.forEach((block, index) => treeBlocks.set(index, block + starts.trees));
  }
}
