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
  /** Equal for what is probably the same thing under another name; see {@link likeness}. */
  readonly likeness: string;
  /** What i_block maps, in logical order; empty without blocks. */
  readonly runs: readonly MappedRun[];
  /** Blocks of the extent tree, ascending. */
  readonly treeBlocks: readonly number[];
  /** 0 = none. */
  readonly xattrBlock: number;
  /** Of a directory: names and inode numbers. */
  readonly children?: ReadonlyMap<ByteString, number>;
}

/** What tells files apart without reading them; a wrong guess costs nothing but an inode number. */
export function likeness(kind: NodeKind, attributes: { permissions: number; uid: number; gid: number; mtimeSeconds: number; mtimeNanoseconds: number }, size: number): string {
  const { permissions, uid, gid, mtimeSeconds, mtimeNanoseconds } = attributes;
  return `${kind} ${permissions} ${uid} ${gid} ${mtimeSeconds}.${mtimeNanoseconds} ${size}`;
}
