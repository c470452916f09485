/**
 * A second opinion on ext2, ext3 and ext4 images: libext2fs compiled to WebAssembly (npm ext2fs) walks the image, and
 * `verify --deep` compares what it saw with what our own reader saw. What it cannot see is told in wasm/README.md.
 */
import { createHash } from 'node:crypto';
import type { Disk } from 'ext2fs';
import { fromBytes, toBytes, type ByteString } from '../src/bytes/byte-string.js';
import { crc32c } from '../src/bytes/crc32c.js';
import { hasCode, ThawfsError } from '../src/errors.js';
import { roCompat } from '../src/format/ext4/features.js';
import { superblock, SUPERBLOCK_OFFSET } from '../src/format/ext4/superblock.js';
import { KiB } from '../src/units.js';
import { LargeDirectories, type WindowedDisk } from './large-directories.js';

/** The raw image, read at any place. */
export interface ImageBytes {
  /** Bytes in all. */
  readonly size: number;
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** One name as libext2fs sees it. Numbers are cut to the bits that the package passes on. */
export interface SeenFile {
  /** From the root, without a leading slash; the root itself is the empty string. */
  readonly path: ByteString;
  /** i_mode: type and permissions. */
  readonly mode: number;
  /** Low 16 bits. */
  readonly uidLow: number;
  /** Low 16 bits. */
  readonly gidLow: number;
  readonly links: number;
  /** Low 32 bits, unsigned. */
  readonly sizeLow: number;
  /** Seconds modulo 2^32, unsigned. */
  readonly mtimeLow: number;
  /** Of a symlink. */
  readonly target?: ByteString;
  /** Of a regular file: how many bytes it gave, and their SHA-256 in hex. */
  readonly content?: { readonly size: number; readonly sha256: string };
}

/** Few enough bytes at a time for a heap of 16 MiB that cannot grow. */
const READ_SIZE = 256 * KiB;
/** With larger ones this build does not open the file system, or reads nothing but zeros. */
const BLOCK_MAX_SIZE = 16 * KiB;
const O_RDONLY = 0;
const O_NOFOLLOW = 0x20000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** Error table of libext2fs (lib/ext2fs/ext2_err.et), as numbered in this build. */
const ERROR_BASE = 2_133_571_328;
/** Refused features: seen with images that have casefold, bigalloc and mmp. */
const featureErrors: Readonly<Record<number, string>> = { 67: 'incompat', 68: 'ro_compat', 137: 'bigalloc', 144: 'mmp' };

/** Features that forbid writing only (ext4.h: ro_compat) and that this build does not know. It opens for writing, so they are hidden from it. */
const hiddenFeatures = roCompat.of('shared_blocks', 'verity');

let turn: Promise<unknown> = Promise.resolve();

/**
 * Walks the image depth first, names in byte order, parents before children. Walks of one process take turns: the
 * package has one instance and one queue. Nothing is written to the image: what the library writes is dropped.
 *
 * @param image must be trusted to be sound (run checkStructure first): the library runs to its end, whatever it meets
 * @returns files as they are met; leaving the loop early ends the walk
 * @throws FEATURE_UNSUPPORTED for images that this build of libext2fs does not open, LIMIT_EXCEEDED when its memory is used up;
 * STRUCTURE_INVALID for what it cannot read; errors of `image.read` as they are. Cost: about 5,000 names a second, 30-300 MB/s of contents
 */
export async function* secondOpinion(image: ImageBytes): AsyncGenerator<SeenFile, void, undefined> {
  const before = turn;
  let done = (): void => undefined;
  turn = new Promise<void>((resolve) => { done = resolve; });
  await before;
  try {
    const library = await loadLibrary();
    const disk = new FrozenDisk(image);
    await disk.prepare();
    const fs = await disk.explain('opening the image', library.package.mount(disk));
    try {
      yield* walk(library, disk, fs.fsPointer);
    } finally {
      await disk.explain('closing the image', library.package.umount(fs));
    }
  } finally {
    done();
  }
}

interface Library {
  readonly package: typeof import('ext2fs').default;
  readonly binding: typeof import('ext2fs/lib/binding.js').default;
  readonly util: typeof import('ext2fs/lib/util.js').default;
}

/** Loading it installs handlers for uncaught errors of the whole process, which are not its business: they are taken off again. */
async function loadLibrary(): Promise<Library> {
  const events = ['uncaughtException', 'unhandledRejection'] as const;
  const own = events.map((event) => new Set(process.listeners(event as 'uncaughtException')));
  const [main, binding, util] = await Promise.all([import('ext2fs'), import('ext2fs/lib/binding.js'), import('ext2fs/lib/util.js')]);
  events.forEach((event, i) => {
    for (const listener of process.listeners(event as 'uncaughtException')) if (!own[i]!.has(listener)) process.removeListener(event, listener);
  });
  return { package: main.default, binding: binding.default, util: util.default };
}

async function* walk(library: Library, disk: FrozenDisk, fs: number): AsyncGenerator<SeenFile, void, undefined> {
  const pending: ByteString[] = [''];
  const large = new LargeDirectories(disk);
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    large.openTo(path);
    const seen = await disk.explain(`reading /${path}`, see(library, fs, path));
    yield seen;
    if ((seen.mode & S_IFMT) !== S_IFDIR) continue;
    const names = await disk.explain(`listing /${path}`, large.list(path, () => list(library, fs, path)));
    const prefix = path === '' ? '' : `${path}/`;
    for (const name of names.sort().reverse()) pending.push(prefix + name);
  }
}

/**
 * The library does not close what readdir opens, three blocks each: after some 900 directories its memory would be used up. Equal
 * calls get equal addresses, so that file is where the one opened just before was. Its first words, magic and file system, tell whether it is.
 */
async function list({ binding, util }: Library, fs: number, path: ByteString): Promise<ByteString[]> {
  return util.withHooks(async () => {
    const pointer = await util.usePath(absolute(path));
    const [names, id] = await util.useObject<Buffer[]>([]);
    const [{ buffer: memory }] = await util.useBuffer(1);
    const file = await binding.open(fs, pointer, O_RDONLY | O_NOFOLLOW, 0);
    const words = new Uint32Array(memory, file, 2);
    const [magic] = words;
    await binding.close(file);
    if (words[0] === magic) words[0] = 0;
    await binding.readdir(fs, pointer, id);
    if (words[0] === magic && words[1] === fs) await binding.close(file);
    return names.map(fromBytes).filter((name) => name !== '.' && name !== '..');
  })();
}

async function see(library: Library, fs: number, path: ByteString): Promise<SeenFile> {
  const { binding, util } = library;
  const file = await util.withHooks(async () => binding.open(fs, await util.usePath(absolute(path)), O_RDONLY | O_NOFOLLOW, 0))();
  try {
    const mode = await binding.stat_i_mode(file);
    const type = mode & S_IFMT;
    const sizeLow = await unsigned(binding.stat_i_size(file));
    return {
      path, mode,
      uidLow: await binding.stat_i_uid(file), gidLow: await binding.stat_i_gid(file), links: await binding.stat_i_links_count(file),
      sizeLow, mtimeLow: await unsigned(binding.stat_i_mtime(file)),
      ...type === S_IFLNK ? { target: (await readTarget(library, fs, path)).slice(0, sizeLow) } : {},
      ...type === S_IFREG ? { content: await readAll(library, file, sizeLow) } : {},
    };
  } finally {
    await binding.close(file);
  }
}

/** The package takes the upper half of a 32-bit answer for a failure. */
async function unsigned(answer: Promise<number>): Promise<number> {
  try {
    return await answer >>> 0;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    return -errno >>> 0;
  }
}

async function readTarget({ binding, util }: Library, fs: number, path: ByteString): Promise<ByteString> {
  return util.withHooks(async () => {
    const [targets, id] = await util.useObject<Buffer[]>([]);
    await binding.readlink(fs, await util.usePath(absolute(path)), id);
    return fromBytes(targets[0] ?? Buffer.alloc(0));
  })();
}

/** From the start to the end by the file's own position: positions of more than 31 bits do not pass through. */
async function readAll({ binding, util }: Library, file: number, sizeLow: number): Promise<{ size: number; sha256: string }> {
  return util.withHooks(async () => {
    const hash = createHash('sha256');
    const [buffer, pointer] = await util.useBuffer(READ_SIZE);
    let size = 0;
    for (;;) {
      let count = await binding.read(file, O_RDONLY, pointer, READ_SIZE, -1);
      // Of inline data it gives all room there is, beyond the end of the file (of symlinks too).
      if (size === 0 && count < READ_SIZE) count = Math.min(count, sizeLow);
      if (count === 0) return { size, sha256: hash.digest('hex') };
      hash.update(buffer.subarray(0, count));
      size += count;
    }
  })();
}

function absolute(path: ByteString): Uint8Array {
  return toBytes(`/${path}`);
}

function errnoOf(error: unknown): number | undefined {
  return error instanceof Error && 'errno' in error && typeof error.errno === 'number' ? error.errno : undefined;
}

/** The image, with other features in its superblock, and deaf to writing: opening a file writes its inode with a new access time, which nobody misses. */
class FrozenDisk implements Disk, WindowedDisk {
  readonly size: number;
  /** In place of the image's own. */
  private superblock: Uint8Array | undefined;
  private failure: unknown;
  private blockSize = KiB;
  readonly shown = new Map<number, number>();
  observer: WindowedDisk['observer'];

  constructor(private readonly image: ImageBytes) {
    this.size = image.size;
  }

  async read(buffer: Buffer, bufferOffset: number, length: number, fileOffset: number): Promise<void> {
    const isBlock = length === this.blockSize;
    const place = (isBlock ? this.shown.get(fileOffset) : undefined) ?? fileOffset;
    try {
      const inside = Math.max(0, Math.min(length, this.size - fileOffset));
      buffer.fill(0, bufferOffset, bufferOffset + length);
      if (inside > 0) buffer.set(await this.image.read(place, inside), bufferOffset);
    } catch (error) {
      this.failure = error;
      throw error;
    }
    if (isBlock) this.observer?.(fileOffset, new Uint8Array(buffer.subarray(bufferOffset, bufferOffset + length)));
    const from = Math.max(fileOffset, SUPERBLOCK_OFFSET);
    const to = Math.min(fileOffset + length, SUPERBLOCK_OFFSET + superblock.size);
    if (this.superblock !== undefined && from < to) buffer.set(this.superblock.subarray(from - SUPERBLOCK_OFFSET, to - SUPERBLOCK_OFFSET), bufferOffset + from - fileOffset);
  }

  /** @throws FEATURE_UNSUPPORTED for blocks that the library goes wrong with */
  async prepare(): Promise<void> {
    const block = Buffer.alloc(superblock.size);
    await this.read(block, 0, block.length, SUPERBLOCK_OFFSET);
    const blockSize = KiB << block.readUInt32LE(superblock.offsetOf('logBlockSize'));
    this.blockSize = blockSize;
    if (blockSize > BLOCK_MAX_SIZE) {
      throw new ThawfsError('FEATURE_UNSUPPORTED', `libext2fs (wasm): blocks of ${blockSize / KiB} KiB are not read, ${BLOCK_MAX_SIZE / KiB} KiB are the most`, {
        detail: { feature: 'block size', blockSize }, suggestion: 'Verify without the second opinion, or with e2fsck -fn.',
      });
    }
    const [features, checksum] = [superblock.offsetOf('featureRoCompat'), superblock.offsetOf('checksum')];
    const word = block.readUInt32LE(features);
    if ((word & hiddenFeatures) === 0) return;
    block.writeUInt32LE(roCompat.outside(word, hiddenFeatures), features);
    if (roCompat.has(word, 'metadata_csum')) block.writeUInt32LE(crc32c(0xffff_ffff, block, 0, checksum), checksum);
    this.superblock = block;
  }

  write(): Promise<void> {
    return Promise.resolve();
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Turns a failure of the library into one of ours; a failure to read the image goes through as it was. */
  async explain<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      if (this.failure !== undefined) throw this.failure as Error;
      if (hasCode(cause)) throw cause;
      const number = (errnoOf(cause) ?? 0) - ERROR_BASE;
      const feature = featureErrors[number];
      if (feature !== undefined) {
        throw new ThawfsError('FEATURE_UNSUPPORTED', `libext2fs (wasm): ${doing}: it does not know a feature of the image (${feature})`, {
          detail: { feature, errno: number }, suggestion: 'Verify without the second opinion, or with e2fsck -fn.', cause,
        });
      }
      const message = cause instanceof Error ? cause.message : String(cause);
      if (message.includes('OOM')) {
        throw new ThawfsError('LIMIT_EXCEEDED', `libext2fs (wasm): ${doing}: its memory is used up`, { suggestion: 'Verify without the second opinion, or with e2fsck -fn.', cause });
      }
      throw new ThawfsError('STRUCTURE_INVALID', `libext2fs (wasm): ${doing}: ${message}`, {
        detail: { record: doing, errno: number }, suggestion: 'Run e2fsck -fn on the unpacked image for a third opinion.', cause,
      });
    }
  }
}
