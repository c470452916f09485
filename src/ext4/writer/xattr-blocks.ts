/** The xattr blocks of an image: equal sets share one, up to 1024 inodes each. */
import { XATTR_REFCOUNT_MAX } from '../../format/ext4/xattr.js';
import { xattrSetKey, type DiskXattr } from './xattr.js';

export interface SharedXattrs {
  readonly xattrs: readonly DiskXattr[];
  refcount: number;
}

export class XattrBlocks {
  /** In order of their blocks. */
  readonly blocks: SharedXattrs[] = [];
  private readonly byNode = new Map<number, number>();
  /** Key of a set -> the block that still takes inodes. */
  private readonly open = new Map<string, number>();

  /** @param index of the node; nothing happens when the set is empty */
  add(index: number, xattrs: readonly DiskXattr[]): void {
    if (xattrs.length === 0) return;
    const key = xattrSetKey(xattrs);
    let number = this.open.get(key);
    if (number === undefined || this.blocks[number]!.refcount === XATTR_REFCOUNT_MAX) {
      number = this.blocks.push({ xattrs, refcount: 0 }) - 1;
      this.open.set(key, number);
    }
    this.blocks[number]!.refcount++;
    this.byNode.set(index, number);
  }

  /** @returns the number of the node's block in `blocks`; undefined = it has none. */
  ofNode(index: number): number | undefined {
    return this.byNode.get(index);
  }
}
