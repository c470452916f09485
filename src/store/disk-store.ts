/**
 * Objects on disk by digest, shared by all images, mounts and processes of a user: chunk frames under their chunk id,
 * index pages under their page digest. A cache, not an archive: whoever reads verifies, so an object may be torn,
 * damaged or gone at any time, and nothing is ever synced.
 *
 *     FOLDER/objects/ab/cdef…   the object's bytes; written under a temporary name and renamed
 *     FOLDER/usage              eight bytes: disk space of all objects, then the boot in which it was counted; locked by whoever changes the store
 *     FOLDER/fetching           empty; locked at the places of chunks that somebody is fetching (shared-fetches.ts)
 *     FOLDER/mounting           empty; locked at the place of what somebody is making a server for (src/mount/join.ts)
 *     FOLDER/pins/NAME          ids (32 bytes each) that are not evicted while NAME exists
 *     FOLDER/raw/               raw images written out; they count, and are evicted as objects are while nobody has them mounted
 */
import {
  closeSync, existsSync, fstatSync, futimesSync, openSync, readFileSync, readSync, readdirSync, renameSync, rmSync, statSync, writeSync,
} from 'node:fs';
import { threadId } from 'node:worker_threads';
import { fromErrno } from '../errors.js';
import { withFileLock } from '../sys/file-lock.js';
import { makeFolder } from '../sys/make-folder.js';
import { writeFully } from '../sys/write.js';
import { bootId } from '../sys/identity.js';
import { BLOCK_SIZE, roundUp } from '../units.js';
import { idleRawImages, rawFolderOf, removeRawImage, type RawImage } from './raw-folder.js';

/** Bytes that a cache may take unless somebody says otherwise. */
export const DEFAULT_DISK_BUDGET = 4 * 1024 ** 3;

/** After an eviction this much of the budget is free, so that one scan of the folder serves many writes. */
const HEADROOM = 0.1;
/** A use is noted on disk at most this often per object, in milliseconds: eviction need not know better. */
const TOUCH_INTERVAL = 10 * 60_000;
/** After a failed write none is tried for this long, in milliseconds: a full disk stays full for a while. */
const PAUSE_AFTER_FAILURE = 2000;
/** An object is a frame or a page; what is larger is not ours. */
const OBJECT_MAX_SIZE = 2 * 1024 ** 2;

export interface DiskStoreStatistics {
  /** Objects found and not found. */
  hits: number;
  misses: number;
  written: number;
  evicted: number;
  /** Writes that failed: no space, no right, a dying disk. */
  writeFailures: number;
  /** The latest of them, for people. */
  lastFailure?: string;
}

export interface StoredObject {
  /** Lowercase hex digest. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

export class DiskStore {
  readonly statistics: DiskStoreStatistics = { hits: 0, misses: 0, written: 0, evicted: 0, writeFailures: 0 };
  private readonly usage: number;
  private readonly boot = bootId();
  private readonly folders = new Set<string>();
  private pausedUntil = 0;
  private temporary = 0;

  /**
   * @param folder created when missing, for its owner only
   * @param budget bytes of disk space
   * @throws NOT_PERMITTED, NO_SPACE, IO_FAILED when the folder cannot be used at all
   */
  constructor(readonly folder: string, readonly budget = DEFAULT_DISK_BUDGET) {
    try {
      for (const name of ['objects', 'pins']) makeFolder(`${folder}/${name}`, 0o700);
      // Opened for appending once to be created, never truncated: another process may be at work.
      closeSync(openSync(`${folder}/usage`, 'a', 0o600));
      this.usage = openSync(`${folder}/usage`, 'r+');
    } catch (error) {
      throw fromErrno(error, `using the cache ${folder}`);
    }
    this.recountAfterBoot();
  }

  /**
   * @param id lowercase hex digest
   * @param used whether this counts as a use, which eviction goes by
   * @param memory read into when the object fits: the result is a part of it then
   * @returns the object's bytes, unverified, owned by the caller; undefined when it is not here or cannot be read
   */
  read(id: string, used = true, memory?: Uint8Array): Uint8Array | undefined {
    let fd: number;
    try {
      fd = openSync(this.pathOf(id), 'r');
    } catch {
      this.statistics.misses++;
      return undefined;
    }
    try {
      const { size, mtimeMs } = fstatSync(fd);
      if (size > OBJECT_MAX_SIZE) return undefined;
      const bytes = memory !== undefined && size <= memory.length ? memory : Buffer.allocUnsafeSlow(size);
      const received = readSync(fd, bytes, 0, size, 0);
      this.statistics.hits++;
      if (used && Date.now() - mtimeMs > TOUCH_INTERVAL) futimesSync(fd, new Date(), new Date());
      return bytes.subarray(0, received);
    } catch {
      this.statistics.misses++;
      return undefined;
    } finally {
      closeSync(fd);
    }
  }

  /** @returns whether there is an object, sound or not */
  has(id: string): boolean {
    return existsSync(this.pathOf(id));
  }

  /**
   * Keeps an object, evicting those unused for longest. Failing is not an error: what is not kept is fetched again.
   *
   * @returns whether it is kept
   */
  write(id: string, bytes: Uint8Array): boolean {
    return this.writeAll([{ id, bytes }]);
  }

  /**
   * As {@link write}, several under one lock. They find room together or, if there is too little for that, not at all.
   *
   * @param objects each id once
   * @returns whether all of them are kept
   */
  writeAll(objects: readonly StoredObject[]): boolean {
    if (Date.now() < this.pausedUntil) return false;
    const temporaryPath = `${this.folder}/objects/.${process.pid}.${threadId}.${this.temporary++}`;
    try {
      return withFileLock(this.usage, () => {
        const fresh = objects.filter(({ id }) => !existsSync(this.pathOf(id)));
        const size = fresh.reduce((sum, { bytes }) => sum + spaceOf(bytes.length), 0);
        if (!this.makeRoom(size)) return false;
        this.setUsed(this.used + size);
        for (const object of fresh) this.place(object, temporaryPath);
        return true;
      });
    } catch (error) {
      this.failed(error, temporaryPath);
      return false;
    }
  }

  private place({ id, bytes }: StoredObject, temporaryPath: string): void {
    this.makeFolder(id);
    const fd = openSync(temporaryPath, 'w', 0o600);
    try {
      writeFully(fd, bytes);
    } finally {
      closeSync(fd);
    }
    renameSync(temporaryPath, this.pathOf(id));
    this.statistics.written++;
  }

  /** Drops an object that turned out to be damaged. */
  remove(id: string): void {
    try {
      withFileLock(this.usage, () => {
        const path = this.pathOf(id);
        const { size } = statSync(path);
        rmSync(path);
        this.setUsed(Math.max(0, this.used - spaceOf(size)));
      });
    } catch {
      // Somebody else removed it, or it cannot be removed: then it is found damaged again.
    }
  }

  /** Disk space of all objects as far as noted; exact after {@link evict}. */
  get used(): number {
    const bytes = Buffer.alloc(8);
    return readSync(this.usage, bytes, 0, 8, 0) === 8 ? Number(bytes.readBigUInt64LE()) : 0;
  }

  /** Lets go of the folder. Nothing may be asked of the store afterwards. */
  close(): void {
    closeSync(this.usage);
  }

  /** Protects objects from eviction under a name of the caller's, for example an image's root hash. @param ids 32 bytes each */
  pin(name: string, ids: Uint8Array): void {
    const path = `${this.folder}/pins/${name}`;
    const fd = openSync(`${path}.partial`, 'w', 0o600);
    writeFully(fd, ids);
    closeSync(fd);
    renameSync(`${path}.partial`, path);
  }

  unpin(name: string): void {
    rmSync(`${this.folder}/pins/${name}`, { force: true });
  }

  /** @returns the names under which objects are pinned */
  pins(): string[] {
    return readdirSync(`${this.folder}/pins`).filter((name) => !name.endsWith('.partial')).sort();
  }

  /** Removes objects and raw images, those unused for longest, until at most `target` bytes are used. @param keepRaw only objects @returns bytes used now */
  evict(target: number, keepRaw = false): number {
    return withFileLock(this.usage, () => this.evictLocked(target, keepRaw));
  }

  /** A power cut may have lost the count or the objects that it counts: it holds for one boot. */
  private recountAfterBoot(): void {
    const bytes = Buffer.alloc(8 + this.boot.length + 1);
    if (readSync(this.usage, bytes, 0, bytes.length, 0) === bytes.length - 1 && bytes.toString('latin1', 8, bytes.length - 1) === this.boot) return;
    try {
      this.evict(this.budget);
    } catch {
      // A full or dying disk: that is found out again by whoever writes.
    }
  }

  private makeRoom(size: number): boolean {
    if (this.used + size <= this.budget) return true;
    return this.evictLocked(Math.max(0, this.budget * (1 - HEADROOM) - size)) + size <= this.budget;
  }

  private evictLocked(target: number, keepRaw = false): number {
    this.removeAbandoned();
    const pinned = this.pinned();
    const objects = [...this.objects()];
    let used = objects.reduce((sum, { space }) => sum + space, this.rawSpace());
    if (used > target) {
      const candidates: { id: string; space: number; usedMs: number; rawImage?: RawImage }[] = objects;
      if (!keepRaw) for (const rawImage of idleRawImages(this.folder)) candidates.push({ ...rawImage, id: rawImage.rootHash, rawImage });
      candidates.sort((a, b) => a.usedMs - b.usedMs || (a.id < b.id ? -1 : 1));
      for (const { id, space, rawImage } of candidates) {
        if (used <= target) break;
        if (pinned.has(id)) continue;
        if (rawImage === undefined) {
          rmSync(this.pathOf(id), { force: true });
          this.statistics.evicted++;
        } else removeRawImage(rawImage.path);
        used -= space;
      }
    }
    this.setUsed(used);
    return used;
  }

  /** All objects, in no particular order. */
  *objects(): Generator<{ readonly id: string; readonly space: number; readonly usedMs: number }> {
    for (const folder of readdirSync(`${this.folder}/objects`)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const name of readdirSync(`${this.folder}/objects/${folder}`)) {
        const stat = statSync(`${this.folder}/objects/${folder}/${name}`, { throwIfNoEntry: false });
        if (stat !== undefined) yield { id: folder + name, space: spaceOf(stat.size), usedMs: stat.mtimeMs };
      }
    }
  }

  private rawSpace(): number {
    const folder = rawFolderOf(this.folder);
    if (!existsSync(folder)) return 0;
    return readdirSync(folder).reduce((sum, name) => sum + (statSync(`${folder}/${name}`, { throwIfNoEntry: false })?.blocks ?? 0) * 512, 0);
  }

  /** Temporary files whose processes are gone. Only called under the lock, when nobody else is writing one. */
  private removeAbandoned(): void {
    for (const name of readdirSync(`${this.folder}/objects`)) {
      if (name.startsWith('.')) rmSync(`${this.folder}/objects/${name}`, { force: true });
    }
  }

  private pinned(): Set<string> {
    const ids = new Set<string>();
    for (const name of this.pins()) {
      const bytes = readFileSync(`${this.folder}/pins/${name}`);
      for (let at = 0; at + 32 <= bytes.length; at += 32) ids.add(bytes.toString('hex', at, at + 32));
    }
    return ids;
  }

  private setUsed(used: number): void {
    const bytes = Buffer.alloc(8 + this.boot.length);
    bytes.writeBigUInt64LE(BigInt(used));
    bytes.write(this.boot, 8, 'latin1');
    writeSync(this.usage, bytes, 0, bytes.length, 0);
  }

  private makeFolder(id: string): void {
    const name = id.slice(0, 2);
    if (this.folders.has(name)) return;
    makeFolder(`${this.folder}/objects/${name}`, 0o700);
    this.folders.add(name);
  }

  private failed(error: unknown, temporaryPath: string): void {
    this.statistics.writeFailures++;
    this.statistics.lastFailure = error instanceof Error ? error.message : String(error);
    this.pausedUntil = Date.now() + PAUSE_AFTER_FAILURE;
    this.folders.clear(); // Somebody may have removed the folder itself.
    try {
      rmSync(temporaryPath, { force: true });
    } catch {
      // The disk is that broken: eviction removes it, should it ever come back.
    }
  }

  private pathOf(id: string): string {
    return `${this.folder}/objects/${id.slice(0, 2)}/${id.slice(2)}`;
  }
}

/** Disk space of a file: whole blocks. */
function spaceOf(size: number): number {
  return roundUp(size, BLOCK_SIZE);
}
