/**
 * A directory that entries are made in. Entries are addressed through its open descriptor, so what happens to the path above
 * it, symlinks put there included, cannot lead outside.
 */
import { closeSync, constants, existsSync, fchmodSync, fchownSync, openSync } from 'node:fs';
import { toBytes } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { checkName } from './names.js';

const throughDescriptors = existsSync('/proc/self/fd');

export class TargetDirectory {
  readonly #fd: number;
  readonly #base: ByteString;

  /**
   * @param path opened without following a symlink at its end, unless `follow`
   * @throws the system's error: ELOOP or ENOTDIR when it is a symlink or no directory
   */
  constructor(path: ByteString, follow = false) {
    this.#fd = openSync(toBytes(path), constants.O_RDONLY | constants.O_DIRECTORY | (follow ? 0 : constants.O_NOFOLLOW));
    this.#base = throughDescriptors ? `/proc/self/fd/${this.#fd}` : path;
  }

  /** The directory itself, for calls that take a path and follow symlinks. */
  get self(): ByteString {
    return `${this.#base}/.`;
  }

  /**
   * @returns a path of the entry, good until {@link close}
   * @throws BAD_FIELD for a name that would not be an entry of this directory
   */
  entry(name: ByteString): ByteString {
    checkName(name, name);
    return `${this.#base}/${name}`;
  }

  setOwner(uid: number, gid: number): void {
    fchownSync(this.#fd, uid, gid);
  }

  setPermissions(permissions: number): void {
    fchmodSync(this.#fd, permissions);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
