/**
 * Compares two trees on disk as the first acceptance list of the project wants it: type, mode, ids, size, nanosecond mtime, link
 * count, symlink target, device numbers, extended attributes, contents, which names are one file, and that sparse stays sparse.
 * Uses node:fs, not the scanner under test.
 */
import { closeSync, lstatSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { display, fromText, toBytes } from '../../src/bytes/byte-string.js';
import type { ByteString } from '../../src/bytes/byte-string.js';
import { cPath } from '../../src/sys/c-path.js';
import { getXattr, listXattrs } from '../../src/sys/xattr.js';

export interface CompareOptions {
  /** Paths from the root to pass over, with all below them; for example `lost+found`. */
  readonly ignore?: readonly ByteString[];
  /** Attributes to compare; default: those a tree keeps. */
  readonly xattrs?: (name: ByteString) => boolean;
  /** Compare owner and group; default true. False when the copy was made by somebody who may not set them. */
  readonly owners?: boolean;
  /** Compare link counts of directories too (they count sub-directories on ext4, not on btrfs or overlayfs); default false. */
  readonly directoryLinks?: boolean;
  /** Demand that the second tree's files have no more blocks than the first's, give or take one of 4 KiB; default true. */
  readonly sparse?: boolean;
}

const keptByDefault = (name: ByteString): boolean => /^(?:user\.|trusted\.|security\.capability$|system\.posix_acl_)/.test(name);

/** 512-byte units: a tail block that even cp -a writes, or a block of attributes or extents. */
const SLACK = 8n;

/** @returns one line per difference; none when `actual` equals `expected`. Stops after 50. */
export function compareTrees(expected: string, actual: string, options: CompareOptions = {}): string[] {
  const { ignore = [], xattrs = keptByDefault, owners = true, directoryLinks = false, sparse = true } = options;
  const [expectedRoot, actualRoot] = [fromText(expected), fromText(actual)];
  const differences: string[] = [];
  /** First path seen of each inode, on either side: equal names of one file must pair up. */
  const firstNames = [new Map<string, ByteString>(), new Map<string, ByteString>()] as const;

  const compare = (path: ByteString): void => {
    if (differences.length >= 50) return;
    const [a, b] = [expectedRoot, actualRoot].map((root) => (path === '' ? root : `${root}/${path}`)) as [ByteString, ByteString];
    const note = (what: string, wanted: unknown, got: unknown): void => {
      if (wanted !== got) differences.push(`${display(path) || '.'}: ${what} is ${String(got)}, expected ${String(wanted)}`);
    };
    const [one, two] = [lstatSync(toBytes(a), { bigint: true }), lstatSync(toBytes(b), { bigint: true })];
    note('mode', one.mode.toString(8), two.mode.toString(8));
    note('mtime', one.mtimeNs, two.mtimeNs);
    if (owners) {
      note('owner', one.uid, two.uid);
      note('group', one.gid, two.gid);
    }
    if (directoryLinks || !one.isDirectory()) note('link count', one.nlink, two.nlink);
    note('xattrs', xattrText(a, xattrs), xattrText(b, xattrs));
    if ((one.mode & 0o170000n) !== (two.mode & 0o170000n)) return;
    if (one.isCharacterDevice() || one.isBlockDevice()) note('device', one.rdev, two.rdev);
    if (one.isSymbolicLink()) note('target', display(readlinkSync(toBytes(a), 'latin1')), display(readlinkSync(toBytes(b), 'latin1')));
    if (one.isFile()) {
      note('size', one.size, two.size);
      if (one.size === two.size) note('first differing byte', undefined, firstDifference(a, b));
      if (sparse && two.blocks > one.blocks + SLACK) note('allocated 512-byte blocks', one.blocks, two.blocks);
    }
    if (!one.isDirectory()) {
      const [firstOne, firstTwo] = [one, two].map((stats, i) => firstName(firstNames[i]!, stats, path));
      note('same file as', display(firstOne!), display(firstTwo!));
      return;
    }
    const [namesA, namesB] = [a, b].map((directory) => new Set(readdirSync(toBytes(directory), 'latin1')));
    for (const name of [...new Set([...namesA!, ...namesB!])].sort()) {
      const inner = path === '' ? name : `${path}/${name}`;
      if (ignore.includes(inner)) continue;
      if (!namesA!.has(name)) differences.push(`${display(inner)}: not expected`);
      else if (!namesB!.has(name)) differences.push(`${display(inner)}: missing`);
      else compare(inner);
    }
  };
  compare('');
  return differences;
}

function firstName(known: Map<string, ByteString>, stats: BigIntStats, path: ByteString): ByteString {
  const key = `${stats.dev}:${stats.ino}`;
  const first = known.get(key) ?? path;
  known.set(key, first);
  return first;
}

function xattrText(path: ByteString, wanted: (name: ByteString) => boolean): string {
  const names = listXattrs(cPath(path)).filter(wanted).sort();
  return names.map((name) => `${name}=${Buffer.from(getXattr(cPath(path), name) ?? []).toString('hex')}`).join(' ');
}

/** @returns the offset of the first byte that differs between two files of one size. */
function firstDifference(a: ByteString, b: ByteString): number | undefined {
  const buffers = [Buffer.alloc(1 << 20), Buffer.alloc(1 << 20)] as const;
  const files = [a, b].map((path) => openSync(toBytes(path), 'r'));
  try {
    for (let offset = 0; ; ) {
      const [length, other] = files.map((fd, i) => readSync(fd, buffers[i]!, 0, 1 << 20, offset)) as [number, number];
      if (length !== other || buffers[0].compare(buffers[1], 0, other, 0, length) !== 0) {
        const at = buffers[0].findIndex((byte, i) => byte !== buffers[1][i]);
        return offset + Math.min(at < 0 ? length : at, length, other);
      }
      if (length === 0) return undefined;
      offset += length;
    }
  } finally {
    files.forEach(closeSync);
  }
}
