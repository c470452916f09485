/** What the structure check remembers of every inode in use: seven bytes, kept only for groups that have inodes in use. */
import type { NodeKind } from '../../model/tree.js';
import type { Ext4Inode } from './inode.js';
import { invalid } from './structure-fault.js';
import type { Volume } from './volume.js';

const kinds: readonly NodeKind[] = ['file', 'directory', 'symlink', 'character-device', 'block-device', 'fifo', 'socket'];

interface GroupCensus {
  /** 0 = free, else 1 + the place in `kinds`. */
  readonly kind: Uint8Array;
  /** Links that the inode claims. */
  readonly links: Uint16Array;
  /** Names found so far. */
  readonly names: Uint32Array;
}

export class InodeCensus {
  private readonly groups = new Map<number, GroupCensus>();

  constructor(private readonly volume: Volume) {}

  add(inode: Ext4Inode): void {
    const { group, at } = this.find(inode.number);
    let census = this.groups.get(group);
    if (census === undefined) {
      const count = this.volume.inodesPerGroup;
      census = { kind: new Uint8Array(count), links: new Uint16Array(count), names: new Uint32Array(count) };
      this.groups.set(group, census);
    }
    census.kind[at] = kinds.indexOf(inode.kind) + 1;
    census.links[at] = inode.links;
  }

  /** @returns undefined when the inode is free. */
  kindOf(number: number): NodeKind | undefined {
    const { group, at } = this.find(number);
    return kinds[(this.groups.get(group)?.kind[at] ?? 0) - 1];
  }

  /** Counts a name of an inode in use. @returns how many were found so far */
  addName(number: number): number {
    const { group, at } = this.find(number);
    return ++this.groups.get(group)!.names[at]!;
  }

  /**
   * Compares names found with links claimed.
   *
   * @param isUnnamed inodes that no directory names: reserved ones, quota, journal, xattr values
   * @param manySubdirectories whether a directory may claim 1 link for more than it can count (dir_nlink)
   */
  checkLinks(isUnnamed: (number: number) => boolean, manySubdirectories: boolean): void {
    for (const [group, { kind, links, names }] of this.groups) {
      for (let at = 0; at < kind.length; at++) {
        const number = group * this.volume.inodesPerGroup + at + 1;
        if (kind[at] === 0 || (names[at] === 0 && isUnnamed(number))) continue;
        if (names[at] === 0) throw invalid(`inode ${number}`, 'is in use, but no directory names it', { inode: number });
        const uncounted = manySubdirectories && kinds[kind[at]! - 1] === 'directory' && links[at] === 1;
        if (names[at] !== links[at] && !uncounted) {
          throw invalid(`inode ${number}`, `has ${names[at]!} links, its count is ${links[at]!}`, { inode: number, expected: links[at]!, actual: names[at]! });
        }
      }
    }
  }

  private find(number: number): { group: number; at: number } {
    const index = number - 1;
    return { group: Math.floor(index / this.volume.inodesPerGroup), at: index % this.volume.inodesPerGroup };
  }
}
