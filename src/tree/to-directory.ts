/**
 * Writes a tree to a directory with all that this user may set: ids, devices, attributes, nanosecond times; sparse files stay
 * sparse, hard links linked. Never writes outside the directory, whatever the names in the tree or the symlinks on the disk.
 */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, linkSync, lchownSync, chmodSync, lstatSync, mkdirSync, openSync, symlinkSync, unlinkSync, writeSync } from 'node:fs';
import { display, fromText, toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { Piece } from '../model/content.js';
import { sortedNames, typeBits } from '../model/tree.js';
import type { Attributes, DirectoryNode, FileNode, TreeNode } from '../model/tree.js';
import { cPath } from '../sys/c-path.js';
import { makeNode, setModificationTime } from '../sys/inode.js';
import { setXattr } from '../sys/xattr.js';
import { MiB } from '../units.js';
import { ReportKeeper } from './extract-report.js';
import type { ExtractReport } from './extract-report.js';
import { TargetDirectory } from './target-directory.js';

export interface ExtractOptions {
  /** @returns bytes of a piece; the extraction only reads them, until it asks for more of the same file */
  readonly readPiece: (piece: Piece, offsetInPiece: number, length: number) => Promise<Uint8Array>;
  /** Give entries their owners; default whether we are root. Without, set-id bits go to nobody else than their owner. */
  readonly owners?: boolean;
  /** Replace what is there; default false: it is refused. Directories are always shared. */
  readonly overwrite?: boolean;
  /** Give `targetDir` the attributes of the root; default true. */
  readonly rootAttributes?: boolean;
  /** @param bytes of content written so far; @param entries names written so far */
  readonly onProgress?: (bytes: number, entries: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Files written at a time: contents may come from far away. */
const PARALLEL = 8;
/** Deeper than any path can reach (PATH_MAX); an open descriptor each. */
const DEPTH_MAX = 2048;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const [SET_UID, SET_GID] = [0o4000, 0o2000];

/**
 * @param targetDir made if it is not there; the root's attributes are given to it unless `rootAttributes` is false
 * @throws BAD_ARGUMENT when something is in the way, BAD_FIELD for a name that would leave the directory, LIMIT_EXCEEDED below
 *   2048 levels, NO_SPACE, NOT_PERMITTED, IO_FAILED; what `readPiece` throws. What was finished stays then, unfinished files go.
 */
export async function extractTree(root: DirectoryNode, targetDir: string, options: ExtractOptions): Promise<ExtractReport> {
  const path = fromText(targetDir);
  let target: TargetDirectory;
  try {
    mkdirSync(targetDir, { recursive: true });
    target = new TargetDirectory(path, true);
  } catch (error) {
    throw fromErrno(error, `opening ${targetDir}`);
  }
  return new Extraction(target, options).run(root);
}

class Extraction {
  readonly #report = new ReportKeeper();
  readonly #owners: boolean;
  /** Where the first name of each node is. */
  readonly #written = new Map<TreeNode, { readonly directory: readonly ByteString[]; readonly name: ByteString }>();
  readonly #running = new Set<Promise<void>>();

  constructor(private readonly target: TargetDirectory, private readonly options: ExtractOptions) {
    this.#owners = options.owners ?? process.getuid?.() === 0;
  }

  async run(root: DirectoryNode): Promise<ExtractReport> {
    try {
      await this.#directory(root, this.target, []);
    } finally {
      await Promise.allSettled(this.#running);
      this.target.close();
    }
    this.#report.skipped.sort(); // Files end in any order.
    return this.#report;
  }

  /** Fills `target`, then gives it its attributes: making entries changes its time, and its mode may forbid making them. */
  async #directory(node: DirectoryNode, target: TargetDirectory, names: readonly ByteString[]): Promise<void> {
    if (names.length > DEPTH_MAX) throw new ThawfsError('LIMIT_EXCEEDED', `the tree is more than ${DEPTH_MAX} directories deep`, { detail: { limit: DEPTH_MAX } });
    const files: Promise<void>[] = [];
    for (const name of sortedNames(node)) {
      this.options.signal?.throwIfAborted();
      const child = node.children.get(name)!;
      if (child.kind === 'directory') {
        await this.#subdirectory(child, target, [...names, name]);
      } else if (child.kind === 'file' && !this.#written.has(child)) {
        while (this.#running.size >= PARALLEL) await Promise.race(this.#running);
        files.push(this.#track(this.#file(child, target, names, name)));
      } else {
        this.#other(child, target, names, name);
      }
      this.#report.entries++;
    }
    await Promise.all(files);
    if (names.length === 0 && this.options.rootAttributes === false) return;
    const path = names.join('/');
    const owned = this.#own(node, path, () => target.setOwner(node.uid, node.gid));
    this.#report.attempt(path, 'mode', () => target.setPermissions(this.#permissions(node, path, owned)));
    this.#stamp(node, target.self, path);
  }

  async #subdirectory(node: DirectoryNode, parent: TargetDirectory, names: readonly ByteString[]): Promise<void> {
    const path = names.join('/');
    const inner = this.#guard(path, () => this.#enter(parent.entry(names.at(-1)!), path));
    try {
      await this.#directory(node, inner, names);
    } finally {
      inner.close();
    }
  }

  #enter(entry: ByteString, path: ByteString): TargetDirectory {
    const present = lstatSync(toBytes(entry), { throwIfNoEntry: false });
    if (present?.isDirectory() !== true) {
      this.#clear(entry, path);
      mkdirSync(toBytes(entry), { mode: 0o700 });
    }
    return new TargetDirectory(entry);
  }

  /** Makes room for an entry, if that was asked for. */
  #clear(entry: ByteString, path: ByteString): void {
    const present = lstatSync(toBytes(entry), { throwIfNoEntry: false });
    if (present === undefined) return;
    if (this.options.overwrite !== true || present.isDirectory()) {
      throw new ThawfsError('BAD_ARGUMENT', `${display(path)} is already there`, { detail: { path: display(path) }, suggestion: 'Extract into an empty directory.' });
    }
    unlinkSync(toBytes(entry));
  }

  #track(job: Promise<void>): Promise<void> {
    const tracked = job.finally(() => this.#running.delete(tracked));
    this.#running.add(tracked);
    tracked.catch(() => undefined); // Whoever waits for it next hears of it; until then it is no unhandled rejection.
    return tracked;
  }

  async #file(node: FileNode, target: TargetDirectory, names: readonly ByteString[], name: ByteString): Promise<void> {
    const path = [...names, name].join('/');
    const entry = target.entry(name);
    const fd = this.#guard(path, () => {
      this.#clear(entry, path);
      return openSync(toBytes(entry), createFlags, 0o600);
    });
    this.#written.set(node, { directory: names, name });
    try {
      await this.#contents(node, fd, path);
      const owned = this.#own(node, path, () => fchownSync(fd, node.uid, node.gid));
      this.#guard(path, () => fchmodSync(fd, this.#permissions(node, path, owned)));
      this.#stamp(node, entry, path);
    } catch (error) {
      remove(entry); // It has its full size already, and looks whole.
      throw error;
    } finally {
      closeSync(fd);
    }
  }

  async #contents(node: FileNode, fd: number, path: ByteString): Promise<void> {
    const { size, pieces } = node.content;
    if (size > 0) this.#guard(path, () => ftruncateSync(fd, size)); // What no piece covers is a hole.
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        this.options.signal?.throwIfAborted();
        const bytes = await this.options.readPiece(piece, done, Math.min(MiB, piece.length - done));
        this.#guard(path, () => {
          for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at, piece.offset + done + at);
        });
        done += bytes.length;
        this.#report.bytes += bytes.length;
        this.options.onProgress?.(this.#report.bytes, this.#report.entries);
      }
    }
  }

  /** Makes what has no contents, or is there under another name already. */
  #other(node: Exclude<TreeNode, DirectoryNode>, target: TargetDirectory, names: readonly ByteString[], name: ByteString): void {
    const path = [...names, name].join('/');
    const entry = target.entry(name);
    const first = this.#written.get(node);
    if (first !== undefined) return this.#guard(path, () => this.#link(first, entry, path));
    const made = this.#guard(path, () => {
      this.#clear(entry, path);
      if (node.kind === 'symlink') symlinkSync(toBytes(node.target), toBytes(entry));
      else return this.#report.attempt(path, node.kind, () => makeNode(cPath(entry), typeBits[node.kind], ...('major' in node ? [node.major, node.minor] : [])));
      return true;
    });
    if (!made) return;
    this.#written.set(node, { directory: names, name });
    const owned = this.#own(node, path, () => lchownSync(toBytes(entry), node.uid, node.gid));
    if (node.kind !== 'symlink') this.#guard(path, () => chmodSync(toBytes(entry), this.#permissions(node, path, owned)));
    this.#stamp(node, entry, path);
  }

  #link(first: { readonly directory: readonly ByteString[]; readonly name: ByteString }, entry: ByteString, path: ByteString): void {
    this.#clear(entry, path);
    const directory = this.target.descend(first.directory);
    try {
      linkSync(toBytes(directory.entry(first.name)), toBytes(entry));
    } finally {
      directory.close();
    }
  }

  /** @returns whether the entry now has its owner */
  #own(node: Attributes, path: ByteString, set: () => void): boolean {
    return this.#owners && this.#report.attempt(path, `owner ${node.uid}:${node.gid}`, set);
  }

  /** Set-id bits would hand the rights of whoever extracts to whoever made the tree: only an entry that has its owner gets them. */
  #permissions(node: Attributes, path: ByteString, owned: boolean): number {
    if (owned) return node.permissions;
    const dropped = (node.uid === process.geteuid?.() ? 0 : SET_UID) | (node.gid === process.getegid?.() ? 0 : SET_GID);
    if ((node.permissions & dropped) !== 0) this.#report.skip(path, 'set-id bits', 'not its owner');
    return node.permissions & ~dropped;
  }

  /** Last of all: capabilities go when the owner is set, and times with every change. */
  #stamp(node: Attributes, entry: ByteString, path: ByteString): void {
    const cpath = cPath(entry);
    for (const { name, value } of node.xattrs) this.#report.attempt(path, `attribute ${display(name)}`, () => setXattr(cpath, name, value));
    this.#report.attempt(path, 'time', () => setModificationTime(cpath, node.mtimeSeconds, node.mtimeNanoseconds));
  }

  #guard<T>(path: ByteString, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fromErrno(error, `writing ${display(path)}`);
    }
  }
}

function remove(entry: ByteString): void {
  try {
    unlinkSync(toBytes(entry));
  } catch {
    // Somebody has done it already; the failure before is the one to tell.
  }
}
