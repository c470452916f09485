/**
 * Copies files that are whole on this machine into the upper directory of an overlay, through the overlay: from then on whoever
 * opens them reads a plain local file, and no server hears of it.
 */
import { chmod, lstat } from 'node:fs/promises';
import { toBytes, type ByteString } from '../bytes/byte-string.js';
import { fromErrno, hasCode } from '../errors.js';
import type { LocalFile } from '../image/local-files.js';
import { freeSpace } from '../sys/free-space.js';
import { MiB } from '../units.js';

/** Bytes that are left free on the disk: what is copied is only a convenience. */
const RESERVE = 64 * MiB;
const PERMISSIONS = 0o7777;

export interface PopulateStatus {
  /** `full`: the disk has no room for more. */
  readonly state: 'waiting' | 'copying' | 'full';
  readonly files: number;
  readonly bytes: number;
}

export interface CopyUpOptions {
  /** Path of a writable mount of the overlay. */
  readonly view: ByteString;
  /** Where its upper directory lies. */
  readonly upper: string;
  readonly onProgress: (status: PopulateStatus) => void;
}

export class CopyUp {
  private status: PopulateStatus = { state: 'waiting', files: 0, bytes: 0 };
  /** Inodes that need not be looked at again. */
  private readonly settled = new Set<number>();

  constructor(private readonly options: CopyUpOptions) {}

  /**
   * Copies what is whole and not copied yet. A file with several names is left out: of its names only one would be copied, and the
   * others would no longer be the same file.
   *
   * @throws IO_FAILED and the like when the file system refuses
   */
  async run(files: Iterable<LocalFile>, signal: AbortSignal): Promise<void> {
    for (const { path, state, inode, size = 0 } of files) {
      if (signal.aborted || this.status.state === 'full') return;
      if (state !== 'whole' || inode === undefined || size === 0 || this.settled.has(inode)) continue;
      if (await this.copy(path, size)) this.settled.add(inode);
    }
    if (this.status.state === 'copying') this.report({ state: 'waiting' });
  }

  /** @returns whether it is done with */
  private async copy(path: ByteString, size: number): Promise<boolean> {
    const { view, upper } = this.options;
    if (freeSpace(upper) < size + RESERVE) {
      this.report({ state: 'full' });
      return false;
    }
    const place = Buffer.concat([toBytes(view), toBytes(path)]);
    try {
      const { mode, nlink } = await lstat(place);
      if (nlink !== 1) return true;
      // Changes nothing, but overlayfs copies a file up before it changes it. Opening it for writing would do too,
      // and meanwhile nobody could execute it (ETXTBSY).
      await chmod(place, mode & PERMISSIONS);
    } catch (cause) {
      const error = fromErrno(cause, 'copying a file up');
      if (hasCode(error, 'NO_SPACE')) this.report({ state: 'full' });
      else if (!hasCode(error, 'IO_FAILED', 'PATH_MISSING')) throw error as Error; // it went again, or its server did: the next round shows
      return false;
    }
    this.report({ state: 'copying', files: this.status.files + 1, bytes: this.status.bytes + size });
    return true;
  }

  private report(change: Partial<PopulateStatus>): void {
    this.status = { ...this.status, ...change };
    this.options.onProgress(this.status);
  }
}
