/** A block of directory entries, and what every form of a directory needs to write them. */
import type { ByteString } from '../../bytes/byte-string.js';
import { crc32c } from '../../bytes/crc32c.js';
import { DIR_ENTRY_HEADER_SIZE, DIR_TAIL_FILE_TYPE, DIR_TAIL_SIZE, fileTypes } from '../../format/ext4/directory.js';
import { BLOCK_SIZE } from '../../units.js';
import type { Inventory } from './inventory.js';

/** Bytes of a linear block that hold entries. */
export const LEAF_SIZE = BLOCK_SIZE - DIR_TAIL_SIZE;

/** One directory, as far as its blocks depend on it. */
export interface DirectoryEntries {
  readonly inventory: Inventory;
  /** Entries [from, to) of the inventory. */
  readonly from: number;
  readonly to: number;
  readonly inode: number;
  readonly parentInode: number;
}

/** @returns bytes of an entry: multiples of 4. */
export function entrySize(name: ByteString): number {
  return DIR_ENTRY_HEADER_SIZE + name.length + 3 & ~3;
}

/** Entries one after another; the last one reaches to the tail. */
export class LinearBlock {
  private readonly block = new Uint8Array(BLOCK_SIZE);
  private readonly view = new DataView(this.block.buffer);
  private last = 0;
  private end = 0;

  /** @param at position in the inventory's entries */
  addEntry(inventory: Inventory, at: number): void {
    const index = inventory.entryNodes[at]!;
    this.add(inventory.inodes[index]!, inventory.entryNames[at]!, fileTypes[inventory.nodes[index]!.kind]);
  }

  add(inode: number, name: ByteString, fileType: number): void {
    this.last = this.end;
    this.end += writeEntry(this.view, this.last, inode, name, fileType);
  }

  /** Closes the block; nothing can be added after. @param seed inode checksum seed */
  finish(seed: number): Uint8Array {
    this.view.setUint16(this.last + 4, LEAF_SIZE - this.last, true); // rec_len
    this.view.setUint16(LEAF_SIZE + 4, DIR_TAIL_SIZE, true); // det_rec_len
    this.view.setUint8(LEAF_SIZE + 7, DIR_TAIL_FILE_TYPE); // det_reserved_ft
    this.view.setUint32(LEAF_SIZE + 8, crc32c(seed, this.block, 0, LEAF_SIZE), true); // det_checksum
    return this.block;
  }
}

/** @returns the record length that it wrote. */
export function writeEntry(view: DataView, at: number, inode: number, name: ByteString, fileType: number): number {
  const size = entrySize(name);
  view.setUint32(at, inode, true); // inode
  view.setUint16(at + 4, size, true); // rec_len
  view.setUint8(at + 6, name.length); // name_len
  view.setUint8(at + 7, fileType); // file_type
  for (let i = 0; i < name.length; i++) view.setUint8(at + DIR_ENTRY_HEADER_SIZE + i, name.charCodeAt(i));
  return size;
}
