/** Which node has which blocks, and how a layout without a base decides it: everything in a row, region after region. */
import { countBlocks, mapFrom, type BlockRun, type MappedRun } from './block-runs.js';
import type { Demand } from './demand.js';
import { extentTreeBlockCount } from './extents.js';

/** Where everything lies that i_block of some inode, or an inode itself, points to. */
export interface Placement {
  /** @returns what i_block of a node maps, in logical order; empty for a node without blocks */
  runsOf(index: number): readonly MappedRun[];
  /** @returns by ascending block what {@link Placement.runsOf} gives of all nodes that own blocks, in stretches that lie in a row on disk */
  stretches(): Iterable<Stretch>;
  /** Node index -> blocks of its extent tree, ascending, for nodes that have one. */
  readonly trees: ReadonlyMap<number, readonly number[]>;
  /** By number of the shared xattr block. */
  readonly xattrBlocks: readonly number[];
  readonly journal: readonly MappedRun[];
}

export interface Stretch {
  readonly index: number;
  readonly runs: readonly MappedRun[];
}

/** Parts of the body, in their order on disk. */
const regions = ['directories', 'symlinks', 'xattrs', 'trees', 'journal', 'data'] as const;
type Region = typeof regions[number];

/** Counts within regions first, since they begin where the inode tables end. */
export class PlacementInRows implements Placement {
  readonly trees = new Map<number, readonly number[]>();
  xattrBlocks: readonly number[] = [];
  journal: readonly MappedRun[] = [];
  /** By node index: first block of what i_block maps, meaningless without blocks. */
  private readonly firstBlocks: Uint32Array;
  private readonly sizes: Record<Region, number> = { directories: 0, symlinks: 0, xattrs: 0, trees: 0, journal: 0, data: 0 };

  /** @param order node indexes of the files that own data, in the order in which it is to lie */
  constructor(private readonly demand: Demand, private readonly order: Uint32Array) {
    const { inventory: { nodes, directories }, sharers, counts, xattrBlocks } = demand;
    this.firstBlocks = new Uint32Array(nodes.length);
    nodes.forEach(({ kind }, index) => { if (kind === 'symlink' && counts[index]! > 0) this.place(index, 'symlinks'); });
    for (const index of directories) if (counts[index]! > 0) this.place(index, 'directories');
    for (const index of order) this.place(index, 'data');
    for (const [index, owner] of sharers) {
      this.firstBlocks[index] = this.firstBlocks[owner]!;
      this.placeTree(index, demand.runsOf(index)); // of its own, as its checksums name the inode
    }
    this.sizes.xattrs = xattrBlocks.blocks.length;
  }

  runsOf(index: number): MappedRun[] {
    return mapFrom(this.demand.runsOf(index), this.firstBlocks[index]!);
  }

  *stretches(): Generator<Stretch> {
    const { inventory: { nodes, directories }, counts } = this.demand;
    for (const index of directories) if (counts[index]! > 0) yield { index, runs: this.runsOf(index) };
    for (let index = 0; index < nodes.length; index++) if (nodes[index]!.kind === 'symlink' && counts[index]! > 0) yield { index, runs: this.runsOf(index) };
    for (const index of this.order) if (counts[index]! > 0) yield { index, runs: this.runsOf(index) };
  }

  get bodyBlocks(): number {
    return regions.reduce((sum, region) => sum + this.sizes[region], 0);
  }

  /** @param count blocks */
  addJournal(count: number): void {
    this.sizes.journal = count;
  }

  /** Turns all places into block numbers. @param body first block of the body @returns the first block of data */
  settle(body: number): number {
    const starts = { ...this.sizes };
    let next = body;
    for (const region of regions) {
      starts[region] = next;
      next += this.sizes[region];
    }
    this.demand.inventory.nodes.forEach(({ kind }, index) => { this.firstBlocks[index]! += starts[kind === 'directory' ? 'directories' : kind === 'symlink' ? 'symlinks' : 'data']; });
    this.trees.forEach((blocks, index) => this.trees.set(index, blocks.map((block) => block + starts.trees)));
    this.xattrBlocks = Array.from({ length: this.sizes.xattrs }, (_, i) => starts.xattrs + i);
    this.journal = this.sizes.journal === 0 ? [] : [{ logical: 0, count: this.sizes.journal, physical: starts.journal }];
    return starts.data;
  }

  /** Gives a node the next blocks of a region, and an extent tree if its runs need one. */
  private place(index: number, region: 'directories' | 'symlinks' | 'data'): void {
    const runs = this.demand.runsOf(index);
    this.firstBlocks[index] = this.sizes[region];
    this.sizes[region] += countBlocks(runs);
    this.placeTree(index, runs);
  }

  private placeTree(index: number, runs: readonly BlockRun[]): void {
    const count = extentTreeBlockCount(runs);
    if (count === 0) return;
    this.trees.set(index, Array.from({ length: count }, (_, i) => this.sizes.trees + i));
    this.sizes.trees += count;
  }
}
