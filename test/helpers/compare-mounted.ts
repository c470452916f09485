/** Holds a mounted file system against the tree in memory that it was made from, byte for byte and attribute for attribute. */
import { closeSync, lstatSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import { display, fromText, toBytes, type ByteString } from '../../src/bytes/byte-string.js';
import { typeBits, walk, type DirectoryNode, type FileNode, type TreeNode } from '../../src/model/tree.js';
import { getXattr, listXattrs } from '../../src/sys/xattr.js';
import { cPath } from '../../src/sys/c-path.js';
import { readPiece } from './tree-model.js';

/** @returns one line per difference; none when everything is equal. */
export function compareMounted(root: DirectoryNode, mountPoint: string): string[] {
  const differences: string[] = [];
  const names = new Map<TreeNode, number>();
  for (const { node } of walk(root)) names.set(node, (names.get(node) ?? 0) + 1);
  const inodes = new Map<TreeNode, bigint>();

  for (const { path, node } of walk(root)) {
    const note = (what: string, expected: unknown, got: unknown): void => {
      if (expected !== got) differences.push(`${display(path)}: ${what} is ${String(got)}, expected ${String(expected)}`);
    };
    const place: ByteString = path === '' ? fromText(mountPoint) : `${fromText(mountPoint)}/${path}`;
    const stat = lstatSync(toBytes(place), { bigint: true });
    note('mode', BigInt(typeBits[node.kind] | node.permissions), stat.mode);
    note('uid', BigInt(node.uid), stat.uid);
    note('gid', BigInt(node.gid), stat.gid);
    note('mtime', BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanoseconds), stat.mtimeNs);
    note('links', BigInt(linksOf(node, names.get(node)!)), stat.nlink);
    note('inode', inodes.get(node) ?? stat.ino, stat.ino);
    inodes.set(node, stat.ino);
    note('xattrs', xattrText(node.xattrs.map(({ name, value }) => [name, value])), xattrText(listXattrs(cPath(place)).map((name) => [name, getXattr(cPath(place), name)!])));
    switch (node.kind) {
      case 'file':
        note('size', BigInt(node.content.size), stat.size);
        compareBytes(node, place, note);
        break;
      case 'directory':
        note('names', [...node.children.keys()].sort().join(' '), readdirSync(toBytes(place), 'latin1').sort().join(' '));
        break;
      case 'symlink':
        note('target', node.target, readlinkSync(toBytes(place), 'latin1'));
        break;
      case 'character-device': case 'block-device':
        note('device', `${node.major}:${node.minor}`, `${(stat.rdev >> 8n) & 0xfffn}:${(stat.rdev & 0xffn) | ((stat.rdev >> 12n) & 0xfff00n)}`);
        break;
      default:
    }
  }
  return differences;
}

function linksOf(node: TreeNode, names: number): number {
  if (node.kind !== 'directory') return names;
  const links = 2 + [...node.children.values()].filter(({ kind }) => kind === 'directory').length;
  return links > 65_000 ? 1 : links;
}

function xattrText(xattrs: readonly (readonly [ByteString, Uint8Array])[]): string {
  return xattrs.map(([name, value]) => `${name}=${Buffer.from(value).toString('hex')}`).sort().join(' ');
}

/** Data where there is data, zeros for 64 KiB before and after: a 6 GiB hole is not read through. */
function compareBytes({ content }: FileNode, place: ByteString, note: (what: string, expected: unknown, got: unknown) => void): void {
  const margin = 64 * 1024;
  const fd = openSync(toBytes(place), 'r');
  try {
    let checked = 0;
    const zerosUntil = (end: number): void => {
      const ranges = end - checked <= 2 * margin ? [[checked, end]] : [[checked, checked + margin], [end - margin, end]];
      for (const [from, to] of ranges) note(`hole at ${from!}`, true, read(fd, from!, to! - from!).every((byte) => byte === 0));
    };
    for (const piece of content.pieces) {
      zerosUntil(piece.offset);
      note(`bytes at ${piece.offset}`, 0, Buffer.compare(read(fd, piece.offset, piece.length), readPiece(piece)));
      checked = piece.offset + piece.length;
    }
    zerosUntil(content.size);
  } finally {
    closeSync(fd);
  }
}

function read(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, readSync(fd, bytes, 0, length, offset));
}
