/** Grows a tree from entries that come one by one with paths, as archives have them. Nothing but memory is written, so nothing can be written outside. */
import { getHeapStatistics } from 'node:v8';
import { display } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';
import type { DirectoryNode, TreeNode } from '../model/tree.js';
import { checkName } from './names.js';

export interface TreeBuilderOptions {
  /**
   * What to do with a path that leads through a symlink. `refuse`: nothing that archives a tree makes such paths (default).
   * `resolve`: follow it inside the tree, whose root is `/`; layers of containers rely on that.
   */
  readonly symlinkParents?: 'refuse' | 'resolve';
  /** The most memory that the tree may take, bytes, by a rough count; default the size that the heap may have. */
  readonly memoryLimit?: number;
}

/** Bytes in a path (PATH_MAX), which also bounds how many directories one entry can make. */
const PATH_MAX = 4096;
/** Levels of directories: what a path can have, and symlinks could add to. */
const DEPTH_MAX = PATH_MAX / 2;
/** Symlinks followed for one path before it counts as a loop (MAXSYMLINKS). */
const SYMLINKS_MAX = 40;
/** Rough bytes of heap for one node with its attributes, name and place in its directory. */
const NODE_WEIGHT = 1024;

/** Where a path leads: the entry `name` of `parent`; the root itself has no name. */
export interface Place { readonly parent: DirectoryNode; readonly name: ByteString | undefined }

/** @returns a directory for a path of which the archive says nothing: owned by root, mode 0755, of the time 0. */
export function impliedDirectory(): DirectoryNode {
  return { kind: 'directory', permissions: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [], children: new Map<ByteString, TreeNode>() };
}

/**
 * @param path as an archive has it: a leading slash and components that are empty or `.` do not count
 * @returns its names; none for the root
 * @throws BAD_FIELD for `..`, a name that cannot be one, or more than 4096 bytes
 */
export function splitPath(path: ByteString): ByteString[] {
  if (path.length > PATH_MAX) {
    throw new ThawfsError('BAD_FIELD', `${display(path.slice(0, 64))}...: the path has ${path.length} bytes, at most ${PATH_MAX} are possible`, { detail: { length: path.length } });
  }
  const names = path.split('/').filter((name) => name !== '' && name !== '.');
  for (const name of names) checkName(name, path);
  return names;
}

export class TreeBuilder {
  readonly root: DirectoryNode = impliedDirectory();
  readonly #options: TreeBuilderOptions;
  readonly #memoryLimit: number;
  #weight = 0;

  constructor(options: TreeBuilderOptions = {}) {
    this.#options = options;
    this.#memoryLimit = options.memoryLimit ?? getHeapStatistics().heap_size_limit;
  }

  /**
   * Puts `node` at `path`, and directories where parents are missing. What is there gives way, as it would to tar: only this
   * name of it goes; of two directories the new attributes and the old children stay.
   *
   * @returns where it is
   * @throws BAD_FIELD for a path that is none, leads through a file or (see the options) a symlink; LIMIT_EXCEEDED when the tree is too large
   */
  put(path: ByteString, node: TreeNode): Place {
    this.#weigh(node, path);
    const place = this.place(path);
    if (node.kind !== 'directory') {
      if (place.name === undefined) throw refused(path, `is the root of the tree, and cannot be a ${node.kind}`);
      place.parent.children.set(place.name, node);
      return place;
    }
    const present = place.name === undefined ? this.root : place.parent.children.get(place.name);
    if (present?.kind !== 'directory') {
      place.parent.children.set(place.name!, node);
      return place;
    }
    const { permissions, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs } = node;
    Object.assign(present, { permissions, uid, gid, mtimeSeconds, mtimeNanoseconds, xattrs });
    return place;
  }

  /**
   * Gives the file that is at `target` now a further name.
   *
   * @throws BAD_FIELD when nothing is there, or a directory
   */
  link(path: ByteString, target: ByteString): Place {
    const node = this.find(target);
    if (node === undefined) throw refused(path, `is a hard link to ${display(target)}, which is not there`);
    if (node.kind === 'directory') throw refused(path, `is a hard link to ${display(target)}, which is a directory`);
    const place = this.place(path);
    if (place.name === undefined) throw refused(path, 'is the root of the tree, and cannot be a hard link');
    place.parent.children.set(place.name, node);
    return place;
  }

  /** @returns where `path` leads; its last name is not followed. Missing parents are made. */
  place(path: ByteString): Place {
    const names = splitPath(path);
    const name = names.pop();
    return { parent: this.#walk(names, path, true) ?? this.root, name };
  }

  /** @returns what is at `path`; its last name is not followed. */
  find(path: ByteString): TreeNode | undefined {
    const names = splitPath(path);
    const name = names.pop();
    return name === undefined ? this.root : this.#walk(names, path, false)?.children.get(name);
  }

  /** @returns the directory that `path` leads to, its last name followed as well where symlinks are; undefined when it leads to none. */
  directory(path: ByteString): DirectoryNode | undefined {
    return this.#walk(splitPath(path), path, false);
  }

  /** Goes down from the root. @param make whether missing directories are made; else the answer for what leads nowhere is undefined */
  #walk(names: readonly ByteString[], path: ByteString, make: boolean): DirectoryNode | undefined {
    const ahead = [...names].reverse();
    const trail: DirectoryNode[] = [this.root];
    let followed = 0;
    for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
      const here = trail.at(-1)!;
      if (name === '..') { // Only out of a symlink's target; the root is its own parent.
        if (trail.length > 1) trail.pop();
        continue;
      }
      let next = here.children.get(name);
      if (next === undefined) {
        if (!make) return undefined;
        next = impliedDirectory();
        this.#weigh(next, name);
        here.children.set(name, next);
      }
      if (next.kind === 'directory') {
        if (trail.length === DEPTH_MAX) throw refused(path, `is more than ${DEPTH_MAX} directories deep`);
        trail.push(next);
      } else if (next.kind === 'symlink' && this.#options.symlinkParents === 'resolve') {
        if (++followed > SYMLINKS_MAX) throw refused(path, `leads through more than ${SYMLINKS_MAX} symlinks`);
        if (next.target.startsWith('/')) trail.length = 1;
        ahead.push(...next.target.split('/').filter((part) => part !== '' && part !== '.').reverse());
      } else if (!make) {
        return undefined;
      } else {
        throw refused(path, `leads through ${display(name)}, which is a ${next.kind}`);
      }
    }
    return trail.at(-1);
  }

  #weigh(node: TreeNode, path: ByteString): void {
    this.#weight += NODE_WEIGHT + path.length + node.xattrs.reduce((sum, { value }) => sum + value.length, 0);
    if (this.#weight <= this.#memoryLimit) return;
    throw new ThawfsError('LIMIT_EXCEEDED', `the tree needs more than ${this.#memoryLimit} bytes of memory`, {
      detail: { limit: this.#memoryLimit }, suggestion: 'Give Node more memory: NODE_OPTIONS=--max-old-space-size=8192.',
    });
  }
}

function refused(path: ByteString, why: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `${display(path)} ${why}`, { detail: { path: display(path) }, suggestion: 'Do not trust this archive, or make it again.' });
}
