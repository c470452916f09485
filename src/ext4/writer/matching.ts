/**
 * Which blocks of a base hold the contents of a new tree. Told by leaf digests: of the base they are in its hash tree, of the
 * new files they are computed once, so no data of the base is read.
 */
import { DIGEST_SIZE } from '../../hash/sha256.js';
import type { Content } from '../../model/content.js';
import type { BaseLayout } from '../base-layout.js';
import type { BlockRun, MappedRun } from './block-runs.js';
import { storedContent, type Demand } from './demand.js';
import { DigestTable, sameDigest } from './digest-table.js';
import { INODES_PER_BLOCK } from './parameters.js';

/** Digests of consecutive blocks of a file, from block `logical` on. */
export interface LeafWindow {
  readonly logical: number;
  /** Valid until the next window is asked for. */
  readonly leaves: Uint8Array;
}

export interface BaseContents {
  readonly layout: BaseLayout;
  /** Leaf digests of all blocks of the base, and that of a block of zeros. */
  readonly leaves: Uint8Array;
  readonly zeroLeaf: Uint8Array;
  /** @returns digests of the blocks of a content, ascending; windows of nothing but holes may be left out */
  readonly leavesOf: (content: Content) => Iterable<LeafWindow>;
}

/** A shorter run costs more in extents and in reads than it saves, unless it is all that lies between two holes. */
const LEAST_RUN = 2;

/** Blocks of one file that do not lie where they lay. */
interface Moved {
  readonly index: number;
  readonly blocks: number[];
  readonly leaves: Uint8Array[];
}

/**
 * In two passes: all files first look where they lay themselves, so that nobody takes the blocks of a file that is unchanged; then
 * the rest looks among the blocks that nobody wants any more. Each block of the base is given to one file only.
 *
 * Cost: reads and hashes every file. Memory: a byte for each block of the base, and some 100 for each that is not in its place.
 *
 * @returns node index -> runs that can stay where the base has them, in logical order
 */
export function matchContents(demand: Demand, base: BaseContents): Map<number, MappedRun[]> {
  const claimed = new Uint8Array(base.layout.blocks);
  const found = new Map<number, MappedRun[]>();
  const moved: Moved[] = [];
  for (const { index } of demand.owners) {
    const { runs, rest } = matchInPlace(demand, index, base, claimed);
    found.set(index, longEnough(runs, demand.runsOf(index), formerRuns(demand, index, base.layout), claimed));
    if (rest.blocks.length > 0) moved.push(rest);
  }
  const table = new DigestTable(base.leaves, unclaimedData(base, claimed));
  for (const rest of moved) {
    const runs = [...found.get(rest.index)!, ...matchMoved(rest, demand.runsOf(rest.index), base, table, claimed)];
    found.set(rest.index, runs.sort((a, b) => a.logical - b.logical));
  }
  return found;
}

function matchInPlace(demand: Demand, index: number, { layout, leaves, leavesOf }: BaseContents, claimed: Uint8Array): { runs: MappedRun[]; rest: Moved } {
  const runs: MappedRun[] = [];
  const rest: Moved = { index, blocks: [], leaves: [] };
  const before = new RunCursor(formerRuns(demand, index, layout));
  const wanted = new RunCursor(demand.runsOf(index));
  for (const window of leavesOf(storedContent(demand, index))) {
    const count = window.leaves.length / DIGEST_SIZE;
    for (let i = 0; i < count; i++) {
      const logical = window.logical + i;
      if (wanted.at(logical) === undefined) continue;
      const run = before.at(logical);
      const block = run === undefined ? undefined : run.physical + logical - run.logical;
      if (block !== undefined && claimed[block] === 0 && sameDigest(leaves, block, window.leaves, i)) {
        claimed[block] = 1;
        append(runs, logical, block);
      } else {
        rest.blocks.push(logical);
        rest.leaves.push(window.leaves.slice(i * DIGEST_SIZE, (i + 1) * DIGEST_SIZE));
      }
    }
  }
  return { runs, rest };
}

function matchMoved({ blocks, leaves: own }: Moved, wanted: readonly BlockRun[], { leaves, zeroLeaf }: BaseContents, table: DigestTable, claimed: Uint8Array): MappedRun[] {
  const runs: MappedRun[] = [];
  const whole = new RunCursor(wanted);
  for (let i = 0; i < blocks.length;) {
    const start = sameDigest(zeroLeaf, 0, own[i]!, 0) ? undefined : table.find(own[i]!);
    let count = 0;
    if (start !== undefined) {
      while (i + count < blocks.length && blocks[i + count] === blocks[i]! + count && claimed[start + count] === 0 && sameDigest(leaves, start + count, own[i + count]!, 0)) count++;
    }
    if (start === undefined || count === 0 || (count < LEAST_RUN && count < whole.at(blocks[i]!)!.count)) {
      i++;
      continue;
    }
    claimed.fill(1, start, start + count);
    runs.push({ logical: blocks[i]!, physical: start, count });
    i += count;
  }
  return runs;
}

/** @returns where the file lay in the base */
function formerRuns(demand: Demand, index: number, { inodes }: BaseLayout): readonly MappedRun[] {
  const former = inodes.get(demand.inventory.inodes[index]!);
  return former?.kind === 'file' ? former.runs : [];
}

/** Gives up what is too short, together with its claim; not what was as short in the base: the same tree again must stay as it is. */
function longEnough(runs: readonly MappedRun[], wanted: readonly BlockRun[], former: readonly MappedRun[], claimed: Uint8Array): MappedRun[] {
  const [whole, before] = [new RunCursor(wanted), new RunCursor(former)];
  const staying = runs.filter(({ logical, physical, count }) => {
    const keep = count >= LEAST_RUN || count === whole.at(logical)!.count || count === before.at(logical)!.count;
    if (!keep) claimed.fill(0, physical, physical + count);
    return keep;
  });
  return staying.slice(); // an array that grew has room for sixteen more, and there is one for each file
}

/** @returns blocks of the base that hold data, or did once, and that no file has claimed; ascending. What is metadata counts as claimed */
function unclaimedData({ layout: { inodes, blocks, inodeTables, inodesPerGroup, groups, laterBitmaps, journal }, leaves, zeroLeaf }: BaseContents, claimed: Uint8Array): number[] {
  claimed.fill(1, 0, inodeTables + groups * inodesPerGroup / INODES_PER_BLOCK);
  for (const block of laterBitmaps) claimed.fill(1, block, block + 2);
  for (const { physical, count } of journal) claimed.fill(1, physical, physical + count);
  for (const { kind, runs, treeBlocks, xattrBlock } of inodes.values()) {
    if (kind !== 'file') for (const { physical, count } of runs) claimed.fill(1, physical, physical + count);
    for (const block of treeBlocks) claimed[block] = 1;
    claimed[xattrBlock] = 1;
  }
  const free: number[] = [];
  for (let block = 0; block < blocks; block++) if (claimed[block] === 0 && !sameDigest(leaves, block, zeroLeaf, 0)) free.push(block);
  return free;
}

/** Lengthens the last run where the block goes on with it. */
function append(runs: MappedRun[], logical: number, physical: number): void {
  const last = runs.at(-1);
  if (last !== undefined && last.logical + last.count === logical && last.physical + last.count === physical) last.count++;
  else runs.push({ logical, physical, count: 1 });
}

/** Finds the run of a block, for blocks that are asked for in ascending order. */
class RunCursor<R extends BlockRun> {
  private next = 0;

  constructor(private readonly runs: readonly R[]) {}

  at(logical: number): R | undefined {
    while (this.next < this.runs.length && this.runs[this.next]!.logical + this.runs[this.next]!.count <= logical) this.next++;
    const run = this.runs[this.next];
    return run !== undefined && run.logical <= logical ? run : undefined;
  }
}

/** @returns what is left of `wanted` without the blocks of `placed`; both in logical order */
export function runsWithout(wanted: readonly BlockRun[], placed: readonly BlockRun[]): BlockRun[] {
  const left: BlockRun[] = [];
  let next = 0;
  for (const { logical, count } of wanted) {
    let at = logical;
    const end = logical + count;
    while (next < placed.length && placed[next]!.logical < end) {
      const { logical: from, count: length } = placed[next]!;
      if (from > at) left.push({ logical: at, count: from - at });
      at = Math.max(at, from + length);
      next++;
    }
    if (at < end) left.push({ logical: at, count: end - at });
  }
  return left;
}

