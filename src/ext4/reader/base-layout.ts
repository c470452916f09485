/** Reads where everything lies in a file system of our own writer, for a layout that continues it. */
import type { ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { compat, incompat, roCompat } from '../../format/ext4/features.js';
import { JOURNAL_INODE, ROOT_INODE } from '../../format/ext4/superblock.js';
import { BLOCK_SIZE } from '../../units.js';
import type { BaseInode, BaseLayout } from '../base-layout.js';
import type { MappedRun } from '../writer/block-runs.js';
import { CHECKSUM_SEED, DESCRIPTOR_SIZE, HASH_SEED, INODE_SIZE, INODES_PER_BLOCK } from '../writer/parameters.js';
import { inodePlace, type Ext4Inode } from './inode.js';
import { badField } from './fault.js';
import { visitMap } from './mapping.js';
import { Ext4Reader } from './reader.js';
import { ALL_BLOCKS } from './run.js';
import type { Volume } from './volume.js';

/**
 * Checks as it reads: whatever the base says, blocks lie inside the device and trees end.
 *
 * Memory: about 400 bytes a file.
 *
 * @throws FEATURE_UNSUPPORTED when another writer made it; else as {@link Ext4Reader}
 */
export function readBaseLayout(reader: Ext4Reader): BaseLayout {
  const { volume } = reader;
  requireOurs(volume);
  return {
    blocks: volume.blockCount, groups: volume.layout.groupCount, blocksPerGroup: volume.superblock.blocksPerGroup, inodesPerGroup: volume.inodesPerGroup,
    ...readBitmapPlaces(volume),
    journal: compat.has(volume.superblock.featureCompat, 'has_journal') ? runsOf(volume, reader.inode(JOURNAL_INODE)).runs : [],
    inodes: readInodes(reader),
  };
}

function foreign(reason: string): ThawfsError {
  return new ThawfsError('FEATURE_UNSUPPORTED', `the base was not laid out by this writer: ${reason}`, {
    detail: { reason }, suggestion: 'Build without --base; the image can be the base of the next one.',
  });
}

const ours = {
  compat: compat.of('ext_attr', 'dir_index', 'sparse_super2'),
  incompat: incompat.of('filetype', 'extents', '64bit', 'flex_bg', 'metadata_csum_seed'),
  roCompat: roCompat.of('large_file', 'huge_file', 'dir_nlink', 'extra_isize', 'metadata_csum'),
};
const optional = { compat: compat.of('has_journal'), incompat: incompat.of('inline_data'), roCompat: roCompat.of('verity', 'shared_blocks') };

function requireOurs({ superblock, blockSize, inodeSize, descriptorSize }: Volume): void {
  const required = (field: string, holds: boolean): void => { if (!holds) throw foreign(`its ${field} differ`); };
  required('sizes', blockSize === BLOCK_SIZE && inodeSize === INODE_SIZE && descriptorSize === DESCRIPTOR_SIZE);
  required('seeds', superblock.checksumSeed === CHECKSUM_SEED && Buffer.compare(superblock.hashSeed, HASH_SEED) === 0);
  required('features', (superblock.featureCompat & ~optional.compat) === ours.compat && (superblock.featureIncompat & ~optional.incompat) === ours.incompat
    && (superblock.featureRoCompat & ~optional.roCompat) === ours.roCompat);
}

function readBitmapPlaces(volume: Volume): Pick<BaseLayout, 'blockBitmaps' | 'inodeBitmaps' | 'inodeTables' | 'laterBitmaps'> {
  const { blockBitmap: blockBitmaps, inodeBitmap: inodeBitmaps, inodeTable: inodeTables } = volume.group(0);
  const early = inodeBitmaps - blockBitmaps;
  const laterBitmaps: number[] = [];
  let inPlace = early > 0 && early <= volume.layout.groupCount && inodeTables === inodeBitmaps + early && blockBitmaps >= 1 + Math.ceil(volume.layout.groupCount * DESCRIPTOR_SIZE / BLOCK_SIZE);
  for (let number = 0; number < volume.layout.groupCount && inPlace; number++) {
    const { blockBitmap, inodeBitmap, inodeTable } = volume.group(number);
    inPlace = inodeTable === inodeTables + number * volume.inodesPerGroup / INODES_PER_BLOCK;
    if (number < early) inPlace &&= blockBitmap === blockBitmaps + number && inodeBitmap === inodeBitmaps + number;
    else inPlace &&= inodeBitmap === laterBitmaps[laterBitmaps.push(blockBitmap) - 1]! + 1;
  }
  if (!inPlace) throw foreign('its bitmaps and inode tables lie elsewhere');
  return { blockBitmaps, inodeBitmaps, inodeTables, laterBitmaps };
}

function readInodes(reader: Ext4Reader): Map<number, BaseInode> {
  const inodes = new Map<number, BaseInode>();
  const pending = [ROOT_INODE];
  const add = (number: number): void => {
    const inode = reader.inode(number);
    inodes.set(number, inode.kind === 'directory' ? { ...describe(reader, inode), children: childrenOf(reader, number) } : describe(reader, inode));
    if (inode.kind === 'directory') pending.push(number);
  };
  add(ROOT_INODE);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const number of [...inodes.get(next)!.children!.values()].sort((a, b) => a - b)) {
      if (inodes.has(number)) continue; // a further name; what cannot be, as a directory with two, does no harm here
      if (number < reader.volume.firstFileInode) throw badField({ record: `inode ${number}`, offset: 0 }, 'number', `is reserved, directory ${next} names it`);
      add(number);
    }
  }
  return inodes;
}

const none: readonly never[] = [];

function childrenOf(reader: Ext4Reader, directory: number): Map<ByteString, number> {
  return new Map(reader.list(directory).map(({ name, inode }) => [name, inode]));
}

function describe({ volume }: Ext4Reader, inode: Ext4Inode): BaseInode {
  const { number, kind, permissions, uid, gid, modifyTime: { seconds: mtimeSeconds, nanoseconds: mtimeNanoseconds }, xattrBlock } = inode;
  const size = kind === 'directory' ? 0 : inode.size;
  if (xattrBlock !== 0) volume.checkBlocks(xattrBlock, 1, inodePlace(inode), 'xattr block');
  const { runs, treeBlocks } = inode.mapping === 'extents' ? runsOf(volume, inode) : { runs: none, treeBlocks: none };
  return { number, kind, permissions, uid, gid, mtimeSeconds, mtimeNanoseconds, size, xattrBlock, runs, treeBlocks };
}

function runsOf(volume: Volume, inode: Ext4Inode): Pick<BaseInode, 'runs' | 'treeBlocks'> {
  const runs: MappedRun[] = [];
  const treeBlocks: number[] = [];
  let mapped = 0;
  visitMap(volume, inode, 0, ALL_BLOCKS, {
    run({ logical, physical, count, unwritten }) {
      mapped += count;
      if (unwritten || mapped > volume.blockCount) throw foreign(`inode ${inode.number} maps ${unwritten ? 'what was never written' : 'more blocks than there are'}`);
      const last = runs.at(-1);
      if (last !== undefined && last.logical + last.count === logical && last.physical + last.count === physical) last.count += count;
      else runs.push({ logical, physical, count });
    },
    mapBlock(block) { treeBlocks.push(block); },
  });
  // Copies: an array that grew has room for sixteen more, and there is one for each file.
  return { runs: runs.slice(), treeBlocks: treeBlocks.length === 0 ? none : treeBlocks.sort((a, b) => a - b) };
}
