/** Which node has which blocks when a tree is laid out on a base: what is as it was stays, what is new lies in chunks of its own. */
import type { BaseInode, BaseLayout } from '../base-layout.js';
import type { BlockSpace } from './block-space.js';
import { countBlocks, stretchesOf, type BlockRun, type MappedRun } from './block-runs.js';
import { bySimilarity, type DataOrder } from './data-order.js';
import type { Demand } from './demand.js';
import { chunksToLeave } from './evacuation.js';
import { extentTreeBlockCount } from './extents.js';
import { runsWithout } from './matching.js';
import type { Placement, Stretch } from './placement.js';

export class PlacementOnBase implements Placement {
  readonly trees = new Map<number, readonly number[]>();
  readonly xattrBlocks: number[] = [];
  readonly journal: readonly MappedRun[];
  /** Blocks of data that stay, that are written anew, and of these: that could have stayed. */
  kept = 0;
  fresh = 0;
  evacuated = 0;
  /** By node index, for nodes that own blocks. */
  private readonly runs = new Map<number, readonly MappedRun[]>();

  /**
   * @param space with the fixed places taken
   * @param matched data of the base that the tree still has, by node index
   * @param maxFreed blocks of old bytes that are bearable
   */
  constructor(
    private readonly demand: Demand, private readonly base: BaseLayout, private readonly space: BlockSpace, matched: ReadonlyMap<number, readonly MappedRun[]>,
    { keepsJournal, maxFreed, order = bySimilarity }: { readonly keepsJournal: boolean; readonly maxFreed: number; readonly order?: DataOrder | undefined },
  ) {
    this.journal = keepsJournal ? base.journal : [];
    for (const { physical, count } of this.journal) space.keep(physical, count, 'metadata');
    const own = this.keepOwnBlocks();
    const shared = this.keepXattrBlocks();
    this.placeData(this.keepData(matched, maxFreed), order);
    this.placeTrees();
    for (const [index, blocks] of own) this.runs.set(index, toRuns(this.filledUp(blocks, demand.counts[index]!)));
    this.xattrBlocks = demand.xattrBlocks.blocks.map((_, number) => shared.get(number) ?? space.takeMetadata());
  }

  runsOf(index: number): readonly MappedRun[] {
    return this.runs.get(this.demand.sharers.get(index) ?? index) ?? [];
  }

  stretches(): Stretch[] {
    const stretches = [...this.runs].flatMap(([index, runs]) => stretchesOf(runs).map((stretch) => ({ index, runs: stretch })));
    return stretches.sort((a, b) => a.runs[0]!.physical - b.runs[0]!.physical);
  }

  /** @returns the base's inode of the same number, if it is of the same kind */
  private formerOf(index: number): BaseInode | undefined {
    const { nodes, inodes } = this.demand.inventory;
    const former = this.base.inodes.get(inodes[index]!);
    return former?.kind === nodes[index]!.kind ? former : undefined;
  }

  /** @returns node index -> blocks that a directory or symlink had and still needs */
  private keepOwnBlocks(): Map<number, number[]> {
    const { inventory: { nodes }, counts } = this.demand;
    const own = new Map<number, number[]>();
    nodes.forEach(({ kind }, index) => {
      if (kind === 'file' || counts[index] === 0) return;
      const before = (this.formerOf(index)?.runs ?? []).flatMap(({ physical, count }) => Array.from({ length: count }, (_, i) => physical + i));
      own.set(index, this.keepSome(before, counts[index]!));
    });
    return own;
  }

  /** @returns number of a shared block -> where one of those who share it had theirs */
  private keepXattrBlocks(): Map<number, number> {
    const places = new Map<number, number>();
    this.demand.inventory.nodes.forEach((_, index) => {
      const number = this.demand.xattrBlocks.ofNode(index);
      const before = this.formerOf(index)?.xattrBlock ?? 0;
      if (number === undefined || before === 0 || places.has(number)) return;
      for (const block of this.keepSome([before], 1)) places.set(number, block);
    });
    return places;
  }

  private keepSome(blocks: readonly number[], most: number): number[] {
    const kept: number[] = [];
    for (const block of blocks) {
      if (kept.length === most) break;
      if (!this.space.isFree(block)) continue;
      this.space.keep(block, 1, 'metadata');
      kept.push(block);
    }
    return kept;
  }

  private filledUp(blocks: readonly number[], count: number): number[] {
    return [...blocks, ...Array.from({ length: count - blocks.length }, () => this.space.takeMetadata())];
  }

  /** @returns what stays of each file that owns data */
  private keepData(matched: ReadonlyMap<number, readonly MappedRun[]>, maxFreed: number): Map<number, readonly MappedRun[]> {
    const { space } = this;
    const possible = new Map([...matched].map(([index, runs]) => [index, selectBlocks(runs, (block) => space.isFree(block))]));
    const leave = chunksToLeave([...possible.values()].flat(), space, maxFreed);
    const staying = new Map([...possible].map(([index, runs]) => [index, selectBlocks(runs, (block) => !leave.has(Math.floor(block / space.chunkBlocks)))]));
    const count = (each: ReadonlyMap<number, readonly MappedRun[]>): number => [...each.values()].reduce((sum, runs) => sum + countBlocks(runs), 0);
    this.kept = count(staying);
    this.evacuated = count(possible) - this.kept;
    for (const { physical, count: blocks } of [...staying.values()].flat()) space.keep(physical, blocks, 'data');
    return staying;
  }

  private placeData(staying: ReadonlyMap<number, readonly MappedRun[]>, order: DataOrder): void {
    const { owners, runsOf } = this.demand;
    const missing = owners.map(({ index }) => runsWithout(runsOf(index), staying.get(index)!));
    const withNew = owners.map((file, i) => ({ ...file, runs: missing[i]! })).filter(({ runs }) => runs.length > 0);
    for (const { index } of owners) this.runs.set(index, staying.get(index)!);
    for (const place of order(withNew)) {
      const { index, runs } = withNew[place]!;
      const count = countBlocks(runs);
      this.fresh += count;
      this.runs.set(index, joined([...staying.get(index)!, ...mapInto(runs, this.space.takeData(count))]));
    }
  }

  /** Of files only: no directory has so many runs. */
  private placeTrees(): void {
    const { owners, sharers } = this.demand;
    const kept = [...owners.map(({ index }) => index), ...sharers.keys()].flatMap((index) => {
      const count = extentTreeBlockCount(this.runsOf(index));
      return count === 0 ? [] : [{ index, count, blocks: this.keepSome(this.formerOf(index)?.treeBlocks ?? [], count) }];
    });
    for (const { index, count, blocks } of kept) this.trees.set(index, this.filledUp(blocks, count).sort((a, b) => a - b));
  }
}

/** @returns the runs themselves where all of them stays: that is most files, and there may be millions */
function selectBlocks(runs: readonly MappedRun[], stays: (block: number) => boolean): readonly MappedRun[] {
  const selected: MappedRun[] = [];
  for (const { logical, physical, count } of runs) {
    let start = 0;
    for (let i = 0; i <= count; i++) {
      if (i < count && stays(physical + i)) continue;
      if (i > start) selected.push({ logical: logical + start, physical: physical + start, count: i - start });
      start = i + 1;
    }
  }
  return countBlocks(selected) === countBlocks(runs) ? runs : selected;
}

/** Maps runs, in logical order, one after another into the given room. */
function mapInto(runs: readonly BlockRun[], room: readonly { readonly start: number; readonly count: number }[]): MappedRun[] {
  const mapped: MappedRun[] = [];
  let [part, used] = [0, 0];
  for (const { logical, count } of runs) {
    for (let done = 0; done < count;) {
      const { start, count: length } = room[part]!;
      const taken = Math.min(count - done, length - used);
      mapped.push({ logical: logical + done, physical: start + used, count: taken });
      done += taken;
      used += taken;
      if (used === length) [part, used] = [part + 1, 0];
    }
  }
  return mapped;
}

/** @returns the runs in logical order, those in one that go on in each other */
function joined(runs: readonly MappedRun[]): MappedRun[] {
  const result: MappedRun[] = [];
  for (const run of [...runs].sort((a, b) => a.logical - b.logical)) {
    const last = result.at(-1);
    if (last !== undefined && last.logical + last.count === run.logical && last.physical + last.count === run.physical) last.count += run.count;
    else result.push({ ...run });
  }
  return result;
}

/** @param blocks in logical order from 0 on */
function toRuns(blocks: readonly number[]): MappedRun[] {
  return joined(blocks.map((physical, logical) => ({ logical, physical, count: 1 })));
}
