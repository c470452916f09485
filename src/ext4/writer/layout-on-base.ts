/** The layout of a tree that continues the layout of another (docs/decisions/layout-on-a-base.md). */
import { FIRST_FREE_INODE } from '../../format/ext4/superblock.js';
import type { Piece } from '../../model/content.js';
import { BLOCK_SIZE, roundUp } from '../../units.js';
import type { BaseLayout } from '../base-layout.js';
import { BlockSpace } from './block-space.js';
import { countBlocks } from './block-runs.js';
import type { Demand } from './demand.js';
import { sameDigest } from './digest-table.js';
import type { Geometry } from './geometry.js';
import { journalBlockCount } from './journal.js';
import type { Layout, LayoutOptions } from './layout.js';
import { matchContents, type BaseContents } from './matching.js';
import { DESCRIPTOR_SIZE, GROUP_MAX, INODES_PER_BLOCK } from './parameters.js';
import { PlacementOnBase } from './placement-on-base.js';
import { Spans } from './spans.js';

export interface BaseOptions extends BaseContents {
  /** Blocks of a chunk: what is fetched as a whole. */
  readonly chunkBlocks: number;
  /** Blocks that nothing uses, as a share of the file system (0 to 1): with more of them the base is not continued. */
  readonly maxWaste: number;
  /** Holds, when pieces are walked, the blocks that {@link BaseUse.freed} names, one after another. Absent: they become zeros. */
  readonly freedBlocks?: Piece['source'];
}

/** What has come of the base. */
export interface BaseUse {
  /** Blocks of data that stay where they were; that are written anew; and of these, that could have stayed. */
  readonly kept: number;
  readonly fresh: number;
  readonly evacuated: number;
  /** Blocks that nothing uses. */
  readonly unused: number;
  /** Of those: blocks that go on holding what they held in the base, because their chunk does. */
  readonly freed: Spans;
}

export type LaidOutOnBase = Pick<Layout, 'geometry' | 'placement' | 'use' | 'metadataBlocks'> & { readonly base: BaseUse };

/** Why a base is not continued, for people. */
export interface Unfit { readonly unfit: string }

/** When the inode tables have to grow: room for one more inode for so many. */
const INODES_PER_SPARE = 8;

/** @param demand with the inode numbers of numberOnBase */
export function layOutOnBase(demand: Demand, base: BaseOptions, options: LayoutOptions): LaidOutOnBase | Unfit {
  const { layout } = base;
  const matched = matchContents(demand, base);
  const formerJournal = countBlocks(layout.journal);
  const journalBlocks = options.journal === true && formerJournal > 0 ? formerJournal : journalBlockCount(options.journal ?? false, layout.blocks);
  if (journalBlocks > 0 && journalBlocks !== formerJournal) return { unfit: 'its journal is another' }; // a new one might not find room in one piece
  for (let groups = layout.groups; ; groups++) {
    const tables = tablesFor(demand, layout, groups);
    if ('unfit' in tables) return tables;
    const fixed = [...(journalBlocks > 0 ? layout.journal.map(({ physical }) => physical) : []), ...layout.laterBitmaps];
    if (fixed.some((block) => block < tables.body)) return { unfit: 'its inode tables would have to grow over its journal or bitmaps' };
    const space = new BlockSpace(layout.blocks, base.chunkBlocks);
    addFormer(space, base);
    space.keep(0, tables.body, 'metadata');
    for (const block of layout.laterBitmaps) space.keep(block, 2, 'metadata');
    const placement = new PlacementOnBase(demand, layout, space, matched, { keepsJournal: journalBlocks > 0, maxFreed: base.maxWaste / 2 * layout.blocks, order: options.order });
    const laterBitmaps = Array.from({ length: groups - layout.groups }, () => space.takePair());

    const used = space.taken();
    const blocks = sizeOf(used.end, layout, options);
    if (typeof blocks !== 'number') return blocks;
    if (Math.ceil(blocks / tables.blocksPerGroup) > groups) continue; // a further group needs blocks of its own: once more, with it
    const unused = blocks - used.size;
    const waste = options.size === undefined ? unused - spareBlocks(options) : 0;
    if (waste > base.maxWaste * blocks) return { unfit: `${Math.round(waste / blocks * 100)} % of it would be of no use, at most ${Math.round(base.maxWaste * 100)} % are allowed` };
    const geometry = { ...tables, blocks, usedBlocks: used.size, laterBitmaps: [...layout.laterBitmaps, ...laterBitmaps] };
    return {
      geometry, placement, use: { blocks: used, inodes: inodesInUse(demand) }, metadataBlocks: used.size - placement.kept - placement.fresh,
      base: { kept: placement.kept, fresh: placement.fresh, evacuated: placement.evacuated, unused, freed: base.freedBlocks === undefined ? new Spans([]) : space.freed() },
    };
  }
}

/** What the base had in use, and what its own base had: whatever is not zero. */
function addFormer(space: BlockSpace, { layout: { blocks }, leaves, zeroLeaf }: BaseContents): void {
  for (let block = 0; block < blocks; block++) if (!sameDigest(leaves, block, zeroLeaf, 0)) space.addFormer(block);
}

/** Bitmaps and tables stay. The row of tables may become longer: inodes keep their place in it, whatever group they are in. */
function tablesFor({ inventory: { inodes } }: Demand, base: BaseLayout, groups: number): Omit<Geometry, 'blocks' | 'usedBlocks' | 'laterBitmaps'> | Unfit {
  const { blocksPerGroup, blockBitmaps, inodeBitmaps, inodeTables } = base;
  const usedInodes = inodes.reduce((most, inode) => Math.max(most, inode), FIRST_FREE_INODE - 1);
  const inodesPerGroup = usedInodes <= groups * base.inodesPerGroup ? base.inodesPerGroup
    : roundUp(Math.ceil((usedInodes + usedInodes / INODES_PER_SPARE) / groups), INODES_PER_BLOCK);
  if (inodesPerGroup > GROUP_MAX) return { unfit: 'there are too many files for its block groups' };
  if (1 + Math.ceil(groups * DESCRIPTOR_SIZE / BLOCK_SIZE) > blockBitmaps) return { unfit: 'it has no room for further block groups' };
  return { groups, blocksPerGroup, inodesPerGroup, usedInodes, blockBitmaps, inodeBitmaps, inodeTables, body: inodeTables + groups * inodesPerGroup / INODES_PER_BLOCK };
}

/** As large as the base, so that what lies behind the file system stays too, unless more is needed. */
function sizeOf(end: number, { blocks }: BaseLayout, options: LayoutOptions): number | Unfit {
  if (options.size === undefined) return Math.max(blocks, end + spareBlocks(options));
  const wanted = Math.ceil(options.size / BLOCK_SIZE);
  return wanted < Math.max(blocks, end) ? { unfit: 'it does not fit into the size that was given' } : wanted;
}

function spareBlocks({ freeBytes = 0 }: LayoutOptions): number {
  return Math.ceil(freeBytes / BLOCK_SIZE);
}

function inodesInUse({ inventory: { inodes } }: Demand): Spans {
  const reserved = Array.from({ length: FIRST_FREE_INODE - 1 }, (_, i) => i);
  return Spans.of([...reserved, ...Array.from(inodes.slice(1).sort(), (inode) => inode - 1)]);
}

