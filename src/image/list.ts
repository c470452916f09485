/** `ls` and `stat`: what is at a path of an image, without mounting or downloading it. */
import { display, fromDisplayed, type ByteString } from '../bytes/byte-string.js';
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';
import type { Extent } from '../ext4/reader/content.js';
import type { Ext4Inode } from '../ext4/reader/inode.js';
import type { Ext4Reader } from '../ext4/reader/reader.js';
import type { NodeKind } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { displayedPath, type ImageFiles } from './files.js';

/** One name. Texts are for people: bytes that are not UTF-8 are `\xHH`. */
export interface Entry {
  readonly path: string;
  readonly kind: NodeKind;
  readonly inode: number;
  readonly permissions: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtimeSeconds: number;
  readonly mtimeNanoseconds: number;
  /** Of a symlink. */
  readonly target?: string;
  /** Of a device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

export interface FileStatus extends Entry {
  /** Space in the image, bytes. */
  readonly allocated: number;
  /** Values in hex. */
  readonly xattrs: Readonly<Record<string, string>>;
  /** Where the content lies in the raw image, bytes; empty for inline data. */
  readonly extents: readonly Extent[];
  /** Whether the file carries fs-verity data. */
  readonly verity: boolean;
}

export interface ListOptions extends ReadOptions {
  /** Everything below a directory, parents first; default only its entries. */
  readonly recursive?: boolean;
}

/**
 * @param path a symlink at the end is followed when it leads to a directory, as ls(1) does with a trailing slash
 * @returns the entries of a directory in byte order, or the file itself. Reads only metadata; memory: one directory, and a number for each that was met
 * @throws PATH_MISSING; BAD_FIELD for a directory that is met twice, which only a damaged image has; what reading throws
 */
export async function* listImage(files: ImageFiles, path: string, { recursive = false, ...options }: ListOptions = {}): AsyncGenerator<Entry, void, undefined> {
  const start = await files.run((reader) => {
    const { number, inode } = reader.resolve(fromDisplayed(path));
    return inode.kind === 'directory' ? { number } : { entry: entryOf(reader, displayedPath(fromDisplayed(path)), inode) };
  }, options);
  if (start.entry !== undefined) { yield start.entry; return; }
  const pending = [{ number: start.number, path: displayedPath(fromDisplayed(path)) }];
  const met = new Set([start.number]);
  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const { number, path: prefix } = directory;
    const entries = await files.run((reader) => reader.list(number)
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, inode }) => {
        const childPath = `${prefix === '/' ? '' : prefix}/${name}`;
        return { childPath, entry: entryOf(reader, childPath, reader.inode(inode)) };
      }), options);
    for (const { entry } of entries) yield entry;
    if (!recursive) continue;
    for (const { childPath, entry } of entries.reverse()) {
      if (entry.kind !== 'directory') continue;
      if (met.has(entry.inode)) throw new ThawfsError('BAD_FIELD', `${entry.path}: this directory has another name too`, { detail: { path: entry.path, inode: entry.inode } });
      met.add(entry.inode);
      pending.push({ number: entry.inode, path: childPath });
    }
  }
}

/**
 * @param options.followSymlinks of a symlink at the end of the path; default false, as stat(1)
 * @throws PATH_MISSING; what reading throws
 */
export function statImage(files: ImageFiles, path: string, { followSymlinks = false, ...options }: ReadOptions & { readonly followSymlinks?: boolean } = {}): Promise<FileStatus> {
  return files.run((reader) => {
    const { inode } = reader.resolve(fromDisplayed(path), { followSymlinks });
    return {
      ...entryOf(reader, displayedPath(fromDisplayed(path)), inode),
      allocated: inode.sectors * 512,
      xattrs: Object.fromEntries(reader.xattrs(inode).map(({ name, value }) => [display(name), toHex(value)])),
      extents: inode.kind === 'file' ? reader.extents(inode) : [],
      verity: inode.kind === 'file' && reader.verity(inode) !== undefined,
    };
  }, options);
}

function entryOf(reader: Ext4Reader, path: ByteString, inode: Ext4Inode): Entry {
  const { kind, permissions, links, uid, gid, size, modifyTime } = inode;
  return {
    path: display(path), kind, inode: inode.number, permissions, links, uid, gid, size,
    mtimeSeconds: modifyTime.seconds, mtimeNanoseconds: modifyTime.nanoseconds,
    ...(kind === 'symlink' ? { target: display(reader.readlink(inode)) } : {}),
    ...(kind === 'character-device' || kind === 'block-device' ? { device: { major: inode.major, minor: inode.minor } } : {}),
  };
}
