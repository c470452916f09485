/**
 * Writes a tree to a directory with all that this user may set: ids, devices, attributes, nanosecond times; sparse files stay
 * sparse, hard links linked. Never writes outside the directory, whatever the names in the tree or the symlinks on the disk.
 *
 * First the directories and all that has no contents; then the files, in the order in which their contents lie; then hard links;
 * then the attributes of directories. A file gets its name when it is whole.
 */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, linkSync, lchownSync, chmodSync, lstatSync, mkdirSync, openSync, renameSync, symlinkSync, unlinkSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { display, fromText, toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import { isHostFile } from '../model/content.js';
import type { Content, Piece } from '../model/content.js';
import { sortedNames, typeBits } from '../model/tree.js';
import type { Attributes, DirectoryNode, FileNode, TreeNode } from '../model/tree.js';
import { cPath } from '../sys/c-path.js';
import { makeNode, setModificationTime } from '../sys/inode.js';
import { makeFolder } from '../sys/make-folder.js';
import { writeFully } from '../sys/write.js';
import { setXattr } from '../sys/xattr.js';
import { MiB } from '../units.js';
import { ReportKeeper } from './extract-report.js';
import type { ExtractReport } from './extract-report.js';
import { TargetDirectory } from './target-directory.js';
import { TargetTree } from './target-tree.js';

export interface ExtractOptions {
  /** @returns bytes of a piece; the extraction only reads them, until it asks for more of the same file */
  readonly readPiece: (piece: Piece, offsetInPiece: number, length: number) => Promise<Uint8Array>;
  /** Give entries their owners; default whether we are root. Without, set-id bits go to nobody else than their owner. */
  readonly owners?: boolean;
  /** Replace what is there; default false: it is refused. Directories are always shared. */
  readonly overwrite?: boolean;
  /** Files that are written at a time; default 8, so that contents that come from afar are waited for together. */
  readonly parallel?: number;
  /** Give `targetDir` the attributes of the root; default true. */
  readonly rootAttributes?: boolean;
  /** @param bytes of content written so far; @param entries names written so far */
  readonly onProgress?: (bytes: number, entries: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Files written at a time: contents may come from far away. */
const PARALLEL = 8;
/** Deeper than any path can reach (PATH_MAX). */
const DEPTH_MAX = 2048;
/** Entries made before others get a turn. */
const ENTRIES_PER_TURN = 256;
const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const [SET_UID, SET_GID] = [0o4000, 0o2000];

/**
 * Until a file is whole it is called `.thawfs-PID-NUMBER.partial`; what a killed process leaves has such a name.
 *
 * @param targetDir made if it is not there; the root's attributes are given to it unless `rootAttributes` is false
 * @throws BAD_ARGUMENT when something is in the way, BAD_FIELD for a name that would leave the directory, LIMIT_EXCEEDED below
 *   2048 levels, SOURCE_CHANGED when a directory is replaced meanwhile, NO_SPACE, NOT_PERMITTED, IO_FAILED; what `readPiece` throws.
 *   What was finished stays then, unfinished files go.
 */
export async function extractTree(root: DirectoryNode, targetDir: string, options: ExtractOptions): Promise<ExtractReport> {
  const path = fromText(targetDir);
  let target: TargetDirectory;
  try {
    makeFolder(targetDir);
    target = new TargetDirectory(path, true);
  } catch (error) {
    throw fromErrno(error, `opening ${targetDir}`);
  }
  return new Extraction(new TargetTree(target), options).run(root);
}

/** A name in a directory of the target tree. */
interface Place { readonly directory: number; readonly name: ByteString }
interface FileJob extends Place { readonly node: FileNode; /** Where its content begins in the image. */ readonly start: number }
interface LinkJob extends Place { readonly first: Place }

class Extraction {
  readonly #report = new ReportKeeper();
  readonly #owners: boolean;
  /** By number in the target tree. */
  readonly #directories: DirectoryNode[] = [];
  /** Directories that were made here: nothing can be in the way in them. */
  readonly #fresh = new Set<number>();
  readonly #files: FileJob[] = [];
  readonly #links: LinkJob[] = [];
  /** Where the first name of each node is. */
  readonly #first = new Map<TreeNode, Place>();
  #stopped = false;

  constructor(private readonly tree: TargetTree, private readonly options: ExtractOptions) {
    this.#owners = options.owners ?? process.getuid?.() === 0;
  }

  async run(root: DirectoryNode): Promise<ExtractReport> {
    try {
      await this.#makeTree(root);
      await this.#writeFiles();
      for (const job of this.#links) this.#link(job);
      this.#finishDirectories();
    } finally {
      this.tree.close();
    }
    this.#report.skipped.sort(); // Files end in any order.
    return this.#report;
  }

  /** Makes all but files, of which it only notes what is to be done. */
  async #makeTree(root: DirectoryNode): Promise<void> {
    this.#directories.push(root);
    const pending = [{ number: 0, depth: 0 }];
    let made = 0;
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { number, depth } = next;
      if (depth > DEPTH_MAX) throw new ThawfsError('LIMIT_EXCEEDED', `the tree is more than ${DEPTH_MAX} directories deep`, { detail: { limit: DEPTH_MAX } });
      const node = this.#directories[number]!;
      for (const name of sortedNames(node)) {
        if (made++ % ENTRIES_PER_TURN === 0) await turn();
        this.options.signal?.throwIfAborted();
        const child = node.children.get(name)!;
        if (child.kind === 'directory') pending.push({ number: this.#directory(child, { directory: number, name }), depth: depth + 1 });
        else this.#entry(child, { directory: number, name });
      }
    }
  }

  #directory(node: DirectoryNode, place: Place): number {
    const path = this.#pathOf(place);
    const entry = this.#entryOf(place);
    const isThere = this.#guard(path, () => {
      if (!this.#fresh.has(place.directory) && lstatSync(toBytes(entry), { throwIfNoEntry: false })?.isDirectory() === true) return true;
      this.#clear(entry, path);
      mkdirSync(toBytes(entry), { mode: 0o700 });
      return false;
    });
    this.#report.entries++;
    this.#directories.push(node);
    const number = this.tree.add(place.directory, place.name);
    if (!isThere) this.#fresh.add(number);
    return number;
  }

  #entry(node: Exclude<TreeNode, DirectoryNode>, place: Place): void {
    const entry = this.#entryOf(place);
    const path = this.#pathOf(place);
    if (!this.#fresh.has(place.directory)) this.#guard(path, () => { this.#demandRoom(entry, path); }); // Of a file too, before any is written.
    const first = this.#first.get(node);
    if (first !== undefined) {
      this.#links.push({ ...place, first });
    } else if (node.kind === 'file') {
      const job = { directory: place.directory, name: place.name, node, start: placeOf(node.content) };
      this.#first.set(node, job);
      this.#files.push(job);
    } else {
      this.#special(node, place, entry, path);
      this.#report.entries++;
    }
  }

  /** Makes what has no contents. */
  #special(node: Exclude<TreeNode, DirectoryNode | FileNode>, place: Place, entry: ByteString, path: ByteString): void {
    const made = this.#guard(path, () => {
      this.#clear(entry, path);
      if (node.kind === 'symlink') symlinkSync(toBytes(node.target), toBytes(entry));
      else return this.#report.attempt(path, node.kind, () => makeNode(cPath(entry), typeBits[node.kind], ...('major' in node ? [node.major, node.minor] : [])));
      return true;
    });
    if (!made) return;
    this.#first.set(node, place);
    const owned = this.#own(node, path, () => lchownSync(toBytes(entry), node.uid, node.gid));
    if (node.kind !== 'symlink') this.#guard(path, () => chmodSync(toBytes(entry), this.#permissions(node, path, owned)));
    this.#stamp(node, entry, path);
  }

  /** Each lane takes the next file when it is done with one; all end before the first failure is told. */
  async #writeFiles(): Promise<void> {
    const ordered = this.#files.sort((a, b) => a.start - b.start);
    let next = 0;
    let failure: { readonly reason: unknown } | undefined;
    const lane = async (): Promise<void> => {
      try {
        while (next < ordered.length && !this.#stopped) await this.#file(ordered[next]!, next++);
      } catch (reason) {
        this.#stopped = true;
        failure ??= { reason };
      }
    };
    await Promise.all(Array.from({ length: this.options.parallel ?? PARALLEL }, lane));
    if (failure !== undefined) throw failure.reason;
  }

  async #file({ node, ...place }: FileJob, number: number): Promise<void> {
    this.options.signal?.throwIfAborted();
    const path = this.#pathOf(place);
    const partial = { directory: place.directory, name: `.thawfs-${process.pid}-${number}.partial` };
    const fd = this.#guard(path, () => openSync(toBytes(this.#entryOf(partial)), createFlags, 0o600));
    try {
      await this.#contents(node.content, fd, path);
      const owned = this.#own(node, path, () => { fchownSync(fd, node.uid, node.gid); });
      this.#guard(path, () => { fchmodSync(fd, this.#permissions(node, path, owned)); });
      const directory = this.tree.open(place.directory);
      this.#stamp(node, directory.entry(partial.name), path);
      this.#guard(path, () => {
        this.#demandRoom(directory.entry(place.name), path);
        renameSync(toBytes(directory.entry(partial.name)), toBytes(directory.entry(place.name)));
      });
    } catch (error) {
      remove(this.#entryOf(partial));
      throw error;
    } finally {
      closeSync(fd);
    }
    this.#report.entries++;
  }

  async #contents({ size, pieces }: Content, fd: number, path: ByteString): Promise<void> {
    let end = 0;
    for (const piece of pieces) {
      for (let done = 0; done < piece.length;) {
        this.options.signal?.throwIfAborted();
        const bytes = await this.options.readPiece(piece, done, Math.min(MiB, piece.length - done));
        this.#guard(path, () => { writeFully(fd, bytes, piece.offset + done); });
        done += bytes.length;
        this.#report.bytes += bytes.length;
        this.options.onProgress?.(this.#report.bytes, this.#report.entries);
      }
      end = piece.offset + piece.length;
    }
    if (end < size) this.#guard(path, () => { ftruncateSync(fd, size); }); // What no piece covers is a hole.
  }

  #link({ first, ...place }: LinkJob): void {
    const path = this.#pathOf(place);
    const target = this.tree.open(first.directory).entry(first.name);
    this.#guard(path, () => {
      const entry = this.#entryOf(place);
      this.#clear(entry, path);
      linkSync(toBytes(target), toBytes(entry));
    });
    this.#report.entries++;
  }

  /** From the leaves to the root: making entries changes a directory's time, and its mode may forbid making them. */
  #finishDirectories(): void {
    this.tree.reopen();
    for (let number = this.tree.size - 1; number >= (this.options.rootAttributes === false ? 1 : 0); number--) {
      const node = this.#directories[number]!;
      const path = this.tree.pathOf(number);
      const directory = this.tree.open(number);
      const owned = this.#own(node, path, () => { directory.setOwner(node.uid, node.gid); });
      this.#report.attempt(path, 'mode', () => { directory.setPermissions(this.#permissions(node, path, owned)); });
      this.#stamp(node, directory.self, path);
    }
  }

  #entryOf({ directory, name }: Place): ByteString {
    return this.tree.open(directory).entry(name);
  }

  #pathOf({ directory, name }: Place): ByteString {
    return directory === 0 ? name : `${this.tree.pathOf(directory)}/${name}`;
  }

  /** @throws BAD_ARGUMENT when something is there that must not be replaced */
  #demandRoom(entry: ByteString, path: ByteString): void {
    const present = lstatSync(toBytes(entry), { throwIfNoEntry: false });
    if (present === undefined || (this.options.overwrite === true && !present.isDirectory())) return;
    throw new ThawfsError('BAD_ARGUMENT', `${display(path)} is already there`, { detail: { path: display(path) }, suggestion: 'Extract into an empty directory.' });
  }

  #clear(entry: ByteString, path: ByteString): void {
    this.#demandRoom(entry, path);
    if (this.options.overwrite === true) remove(entry);
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
    for (const { name, value } of node.xattrs) this.#report.attempt(path, `attribute ${display(name)}`, () => { setXattr(cpath, name, value); });
    this.#report.attempt(path, 'time', () => { setModificationTime(cpath, node.mtimeSeconds, node.mtimeNanoseconds); });
  }

  #guard<T>(path: ByteString, action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fromErrno(error, `writing ${display(path)}`);
    }
  }
}

/** @returns where a content begins in the image that holds it; 0 when it lies elsewhere */
function placeOf({ pieces }: Content): number {
  for (const { source, sourceOffset } of pieces) return source instanceof Uint8Array || isHostFile(source) ? 0 : sourceOffset;
  return 0;
}

/** Removes what is there, if anything is. A failure shows where the entry is made. */
function remove(entry: ByteString): void {
  try {
    unlinkSync(toBytes(entry));
  } catch {
    // Nothing was there, or it is told by the call that follows.
  }
}
