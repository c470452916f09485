/**
 * What a server answers at once, from what is here: the session thread's half. Nothing of what fetching needs is loaded for it,
 * because readers wait for this half when a server is started that has to serve right away.
 */
import type { RandomAccess } from '../bytes/random-access.js';
import type { FileSystem } from '../fuse/file-system.js';
import type { FileBytes } from '../fuse/single-file.js';
import { LocalImage } from '../image/local-image.js';
import { DiskStore } from '../store/disk-store.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { MiB } from '../units.js';
import { IMAGE_FILE, type ImagePlan, type MountPlan } from './plan.js';

/** Bytes of decoded chunks in the memory of each half. Little: what the kernel caches need not be here, and a small process dies quickly. */
export const MEMORY_SIZE = 8 * MiB;

/** The raw image as both back-ends read it. */
export type ImageBytes = RandomAccess & FileBytes;

/** What the session thread tells the main thread, which knows what to make of it. */
export interface Observer {
  /** Told of every chunk that is taken from the disk. */
  onTouch(chunk: number): void;
  /** Told of every part of the raw image that is read, where the plan wants that recorded. */
  onRead(offset: number, length: number): void;
}

export interface LocalContent {
  readonly fileSystem: FileSystem;
  close(): void | Promise<void>;
}

/**
 * @param counters where this thread counts
 * @throws what opening throws: PATH_MISSING, NOT_PERMITTED, STRUCTURE_INVALID …
 */
export async function openLocalContent(plan: MountPlan, counters: Float64Array, observer: Observer): Promise<LocalContent> {
  const { content } = plan;
  if (content.kind === 'raw') {
    const file = LocalBytes.open(content.path);
    return { fileSystem: await fileSystemOver(plan, file), close: () => { file[Symbol.dispose](); } };
  }
  const image = await LocalImage.openLocal({ ...localOptions(content), counters, onTouch: (chunk) => { observer.onTouch(chunk); } });
  const bytes = content.record === undefined ? image : noted(image, (offset, length) => { observer.onRead(offset, length); });
  return { fileSystem: await fileSystemOver(plan, bytes), close: () => image.close() };
}

/** What both halves open alike. @throws what {@link DiskStore} throws for a folder that cannot be used */
export function localOptions({ head, locations, cache, cacheSize }: ImagePlan): { head: Uint8Array; locations: readonly string[]; cache: DiskStore; memorySize: number } {
  return { head: Buffer.from(head, 'base64'), locations, cache: new DiskStore(cache, cacheSize), memorySize: MEMORY_SIZE };
}

/** The file system of a back-end; only that back-end is loaded. */
export async function fileSystemOver({ backend, squash }: MountPlan, bytes: ImageBytes): Promise<FileSystem> {
  if (backend === 'block') return new (await import('../fuse/single-file.js')).SingleFile(IMAGE_FILE, bytes);
  return new (await import('./tree.js')).TreeFileSystem(bytes, squash ? { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } : undefined);
}

/** The same bytes; whoever reads them is noted. */
export function noted(bytes: ImageBytes, note: (offset: number, length: number) => void): ImageBytes {
  return {
    size: bytes.size,
    read: (offset, length) => {
      note(offset, length);
      return bytes.read(offset, length);
    },
    readInto: (target, offset) => {
      note(offset, target.length);
      bytes.readInto(target, offset);
    },
  };
}
