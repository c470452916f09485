/** What a layout on a base has to know of the file system that it continues: where everything lies, and no contents. */
import type { ByteString } from '../bytes/byte-string.js';
import type { NodeKind } from '../model/tree.js';
import type { MappedRun } from './writer/block-runs.js';

export interface BaseLayout {
  readonly blocks: number;
  readonly groups: number;
  readonly blocksPerGroup: number;
  readonly inodesPerGroup: number;
  /** First block of: block bitmaps, inode bitmaps, inode tables. The tables of all groups lie in a row. */
  readonly blockBitmaps: number;
  readonly inodeBitmaps: number;
  readonly inodeTables: number;
  /** Block bitmaps of groups that the two areas have no room for, each followed by the inode bitmap. */
  readonly laterBitmaps: readonly number[];
  readonly journal: readonly MappedRun[];
  /** By inode number, those that have a name and the root. */
  readonly inodes: ReadonlyMap<number, BaseInode>;
}

export interface BaseInode {
  readonly number: number;
  readonly kind: NodeKind;
  /** As in a tree; of a directory the size is 0. */
  readonly permissions: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  readonly size: number;
  /** What i_block maps, in logical order; empty without blocks. */
  readonly runs: readonly MappedRun[];
  /** Blocks of the extent tree, ascending. */
  readonly treeBlocks: readonly number[];
  /** 0 = none. */
  readonly xattrBlock: number;
  /** Of a directory: names and inode numbers. */
  readonly children?: ReadonlyMap<ByteString, number>;
}

/** @returns text that is equal for what is probably the same thing under another name; a wrong guess costs nothing but an inode number */
export function likeness({ kind, permissions, uid, gid, mtimeSeconds, mtimeNanoseconds, size }: Omit<BaseInode, 'number' | 'runs' | 'treeBlocks' | 'xattrBlock' | 'children'>): string {
  return `${kind} ${permissions} ${uid} ${gid} ${mtimeSeconds}.${mtimeNanoseconds} ${size}`;
}
