/** The directories of an extraction, opened when they are needed: files come in any order, and descriptors are few. */
import type { ByteString } from '../bytes/byte-string.js';
import { TargetDirectory } from './target-directory.js';
import { changed } from './tree-source.js';

/** Directories held open; files that lie together mostly come from few. */
const OPEN_MAX = 64;

/** A directory is known by its number: 0 = the one that is extracted into. */
export class TargetTree {
  readonly #names: ByteString[] = [''];
  readonly #parents: number[] = [0];
  /** Least recently used first. */
  readonly #open = new Map<number, TargetDirectory>();

  /** @param top closed with the tree */
  constructor(private readonly top: TargetDirectory) {}

  /** Directories known. */
  get size(): number {
    return this.#names.length;
  }

  /** @returns the number of a directory that is on the disk now, greater than its parent's */
  add(parent: number, name: ByteString): number {
    this.#parents.push(parent);
    return this.#names.push(name) - 1;
  }

  /** @returns the path below the top */
  pathOf(number: number): ByteString {
    const names: ByteString[] = [];
    for (let at = number; at !== 0; at = this.#parents[at]!) names.push(this.#names[at]!);
    return names.reverse().join('/');
  }

  /**
   * @returns the directory, good until another one is opened
   * @throws SOURCE_CHANGED when it is a directory no more
   */
  open(number: number): TargetDirectory {
    const chain: number[] = [];
    let at = number;
    while (at !== 0 && !this.#open.has(at)) {
      chain.push(at);
      at = this.#parents[at]!;
    }
    let here = at === 0 ? this.top : this.#touch(at);
    for (const next of chain.reverse()) here = this.#enter(here, next);
    return here;
  }

  /** Opens all directories anew from now on, and so finds those that were replaced. */
  reopen(): void {
    for (const directory of this.#open.values()) directory.close();
    this.#open.clear();
  }

  close(): void {
    this.reopen();
    this.top.close();
  }

  #touch(number: number): TargetDirectory {
    const directory = this.#open.get(number)!;
    this.#open.delete(number);
    this.#open.set(number, directory);
    return directory;
  }

  #enter(parent: TargetDirectory, number: number): TargetDirectory {
    let directory: TargetDirectory;
    try {
      directory = new TargetDirectory(parent.entry(this.#names[number]!));
    } catch (error) {
      throw changed(this.pathOf(number), 'was replaced', error);
    }
    this.#open.set(number, directory);
    if (this.#open.size > OPEN_MAX) {
      const [oldest, unused] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      unused.close();
    }
    return directory;
  }
}
