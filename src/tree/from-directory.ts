/**
 * A directory of this machine as a tree. Goes into mount points unless told otherwise, as tar does; never follows a symlink below the root;
 * access, change and birth times are not part of a tree. docs/decisions/xattrs.md says which attributes are.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { resolve } from 'node:path';
import { display, fromText, toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import { fileNode, typeBits, typeMask } from '../model/tree.js';
import type { Attributes, DirectoryNode, TreeNode, Xattr } from '../model/tree.js';
import { EntryPath, cPath } from '../sys/c-path.js';
import type { CPath } from '../sys/c-path.js';
import { lstatInto, newInode } from '../sys/lstat.js';
import { getXattr, listXattrs, xattrsAvailable } from '../sys/xattr.js';
import type { PathMatcher } from './glob.js';
import { hostContent } from './host-content.js';
import { isKeptXattr, sortXattrs } from './kept-xattrs.js';
import { unreadable } from './tree-source.js';
import type { TreeSource } from './tree-source.js';

export interface ScanOptions {
  /** Tells which entries to leave out unread, a directory with all below it; see {@link compileGlobs}. Default none. */
  readonly skip?: PathMatcher;
  /** Full names of extended attributes kept beside the portable ones. */
  readonly extraXattrs?: readonly ByteString[];
  /** Take what other file systems are mounted on as empty directories; default false. */
  readonly oneFileSystem?: boolean;
  /** The names in a directory; default readdir(3). */
  readonly readNames?: (directory: ByteString) => ByteString[];
}

/**
 * Scans a directory. Files of a block or more are read once to find their holes; contents stay in the files.
 * About 10 us of CPU a file beside that read; memory about 300 bytes a file.
 *
 * @param path followed if it is a symlink
 * @throws PATH_MISSING when there is no such directory, BAD_ARGUMENT when it is something else; SOURCE_CHANGED, NOT_PERMITTED,
 *   IO_FAILED naming the path inside
 */
export function scanDirectory(path: string, options: ScanOptions = {}): TreeSource {
  const top = fromText(resolve(path)).replace(/\/$/, '');
  return { ...new DirectoryScan(top, options).run(), dispose: () => undefined };
}

function readNamesOf(directory: ByteString): ByteString[] {
  return readdirSync(toBytes(directory), 'latin1');
}

interface Pending { readonly node: DirectoryNode; readonly path: ByteString }

class DirectoryScan {
  readonly #inode = newInode();
  readonly #entry = new EntryPath();
  /** Files with several names, by file system and inode number. */
  readonly #linked = new Map<string, TreeNode>();
  readonly #pending: Pending[] = [];
  /** Of the root, where nothing else is to be entered. */
  #fileSystem: string | undefined;
  readonly #readNames: (directory: ByteString) => ByteString[];

  constructor(readonly top: ByteString, readonly options: ScanOptions) {
    this.#readNames = options.readNames ?? readNamesOf;
  }

  run(): Pick<TreeSource, 'root' | 'warnings'> {
    const root = this.#root();
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) this.#directory(next);
    const warnings = xattrsAvailable ? [] : ['Extended attributes and ACLs were not read: this system has no C library that can be called.'];
    return { root, warnings };
  }

  #root(): DirectoryNode {
    const path = cPath(`${this.top}/.`);
    try {
      lstatInto(path, this.#inode);
    } catch (error) {
      const notDirectory = (error as NodeJS.ErrnoException).code === 'ENOTDIR';
      if (!notDirectory) throw fromErrno(error, `opening ${display(this.top)}`);
      throw new ThawfsError('BAD_ARGUMENT', `${display(this.top)} is not a directory`, { detail: { path: display(this.top) }, cause: error });
    }
    const root: DirectoryNode = { kind: 'directory', ...this.#attributes(path), children: new Map<ByteString, TreeNode>() };
    this.#pending.push({ node: root, path: '' });
    if (this.options.oneFileSystem === true) this.#fileSystem = this.#fileSystemSeen;
    return root;
  }

  #directory({ node, path }: Pending): void {
    const directory = path === '' ? this.top : `${this.top}/${path}`;
    let names: ByteString[];
    try {
      names = this.#readNames(directory === '' ? '/' : directory);
    } catch (error) {
      throw unreadable(error, directory);
    }
    // Sorted here, once: which name of a hard-linked file is met first must not depend on the host's order.
    names.sort();
    this.#entry.enter(directory);
    for (const name of names) {
      const inner = path === '' ? name : `${path}/${name}`;
      const child = this.#node(this.#entry.of(name), directory, name, inner);
      if (child === undefined) continue;
      node.children.set(name, child);
      const isElsewhere = this.#fileSystem !== undefined && this.#fileSystem !== this.#fileSystemSeen;
      if (child.kind === 'directory' && !isElsewhere) this.#pending.push({ node: child, path: inner });
    }
  }

  /** @returns undefined for what is to be left out. */
  #node(cpath: CPath, directory: ByteString, name: ByteString, inner: ByteString): TreeNode | undefined {
    const inode = this.#inode;
    try {
      lstatInto(cpath, inode);
      const type = inode.mode & typeMask;
      if (this.options.skip?.(inner, type === typeBits.directory) === true) return undefined;
      if (inode.linkCount < 2 || type === typeBits.directory) return this.#newNode(type, cpath, directory, name);
      const key = `${this.#fileSystemSeen}:${inode.inodeHigh}:${inode.inodeLow}`;
      const known = this.#linked.get(key);
      if (known !== undefined) return known;
      const node = this.#newNode(type, cpath, directory, name);
      this.#linked.set(key, node);
      return node;
    } catch (error) {
      throw unreadable(error, `${directory}/${name}`);
    }
  }

  #newNode(type: number, cpath: CPath, directory: ByteString, name: ByteString): TreeNode {
    const path = `${directory}/${name}`;
    const attributes = this.#attributes(cpath);
    const inode = this.#inode;
    switch (type) {
      case typeBits.file: return fileNode(attributes, hostContent(directory, name, inode));
      case typeBits.directory: return { kind: 'directory', ...attributes, children: new Map<ByteString, TreeNode>() };
      case typeBits.symlink: return { kind: 'symlink', ...attributes, target: readlinkSync(toBytes(path), 'latin1') };
      case typeBits.fifo: return { kind: 'fifo', ...attributes };
      case typeBits.socket: return { kind: 'socket', ...attributes };
      case typeBits['character-device']: return { kind: 'character-device', ...attributes, major: inode.deviceMajor, minor: inode.deviceMinor };
      case typeBits['block-device']: return { kind: 'block-device', ...attributes, major: inode.deviceMajor, minor: inode.deviceMinor };
      default: throw new ThawfsError('FEATURE_UNSUPPORTED', `${display(path)}: file type 0${type.toString(8)} has no place in a tree`);
    }
  }

  /** Of what was looked at last. */
  get #fileSystemSeen(): string {
    return `${this.#inode.fileSystemMajor}:${this.#inode.fileSystemMinor}`;
  }

  #attributes(cpath: CPath): Attributes {
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds } = this.#inode;
    return { permissions: mode & 0o7777, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs: this.#xattrs(cpath) };
  }

  #xattrs(cpath: CPath): readonly Xattr[] {
    const kept = listXattrs(cpath).filter((name) => isKeptXattr(name, this.options.extraXattrs));
    return sortXattrs(kept.flatMap((name) => {
      const value = getXattr(cpath, name);
      return value === undefined ? [] : [{ name, value }];
    }));
  }
}
