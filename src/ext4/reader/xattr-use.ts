/** Counts who uses the xattr blocks and value inodes that inodes share. */
import type { Ext4Inode } from './inode.js';
import { invalid } from './structure-fault.js';
import type { XattrEntry } from './xattr-entries.js';

interface Shared {
  claimed: number;
  found: number;
}

export class XattrUse {
  private readonly blocks = new Map<number, Shared>();
  /** By inode number: what refers to it, and the references that it claims, once it was seen. */
  private readonly values = new Map<number, { claimed?: number; found: number }>();

  /** @returns whether the block was not seen before. */
  addBlock(block: number, claimed: number): boolean {
    const shared = this.blocks.get(block);
    if (shared !== undefined) { shared.found++; return false; }
    this.blocks.set(block, { claimed, found: 1 });
    return true;
  }

  addValues(entries: readonly XattrEntry[]): void {
    for (const { valueInode } of entries) {
      if (valueInode !== undefined) this.value(valueInode).found++;
    }
  }

  /** Notes an inode that holds a value: its change time and version are a 64-bit reference count (kernel: ext4_xattr_inode_get_ref). */
  addValueInode(inode: Ext4Inode): void {
    this.value(inode.number).claimed = (inode.changeTime.seconds >>> 0) * 2 ** 32 + inode.version;
  }

  /** @returns whether an inode holds a value. */
  isValueInode(number: number): boolean {
    return this.values.get(number)?.claimed !== undefined;
  }

  /** @throws STRUCTURE_INVALID when a count is wrong */
  check(): void {
    for (const [block, { claimed, found }] of this.blocks) {
      if (claimed !== found) throw invalid(`xattr block ${block}`, `is shared by ${found} inodes, its count is ${claimed}`, { expected: claimed, actual: found });
    }
    for (const [number, { claimed = 0, found }] of this.values) {
      if (claimed !== found) throw invalid(`inode ${number}`, `is the value of ${found} xattrs, its count is ${claimed}`, { inode: number, expected: claimed, actual: found });
    }
  }

  private value(number: number): { claimed?: number; found: number } {
    let value = this.values.get(number);
    if (value === undefined) this.values.set(number, value = { found: 0 });
    return value;
  }
}
