/**
 * Seeds that have chunks of an image but not its frames: raw images in files and on devices, chunk caches, and images that another zstd or
 * another level made. The frames are made of the chunks, which gives those that were published where this machine has the zstd that made them.
 */
import { existsSync, statSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fromBytes, toBytes } from '../bytes/byte-string.js';
import { parseHex, toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { openCodec } from '../codec/registry.js';
import { hasCode } from '../errors.js';
import { Volume } from '../ext4/reader/volume.js';
import { EXT4_MAGIC, superblock, SUPERBLOCK_OFFSET } from '../format/ext4/superblock.js';
import type { Manifest } from '../format/manifest.js';
import { DIGEST_SIZE, hashLeaves, sha256 } from '../hash/sha256.js';
import type { ReadOptions } from '../source/range-source.js';
import type { ChunkRef } from '../store/chunk-store.js';
import { DiskStore } from '../store/disk-store.js';
import { readUpTo } from '../sys/descriptor.js';
import { LocalBytes } from '../sys/local-bytes.js';
import { dataRanges } from '../sys/seek.js';
import { BLOCK_SIZE, roundUp } from '../units.js';
import { readVerityClaim } from '../verity/superblock.js';
import type { ChunkTable } from './chunk-table.js';
import type { ImageSeed, Seed } from './seed.js';
import { hasMagic } from './side-kind.js';

/** Chunks hashed between two turns of the event loop. */
const SCAN_STRIDE = 64;

/** What is to be made of the chunks. */
export interface Wanted {
  readonly manifest: Manifest;
  readonly table: ChunkTable;
}

/** @returns whether it is a raw image or a chunk cache; anything else is for {@link ImageSeed} to open, or to refuse */
export function hasOnlyChunks(location: string): boolean {
  const stat = statSync(location, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) return existsSync(`${location}/objects`);
  return (stat?.isFile() === true || stat?.isBlockDevice() === true) && !hasMagic(location) && isFileSystem(location);
}

/** Cost: a raw image is read and hashed, its holes apart. @throws NOT_PERMITTED, IO_FAILED; the signal's reason */
export async function openChunkSeed(location: string, wanted: Wanted, options: ReadOptions): Promise<Seed> {
  return statSync(location).isDirectory() ? new CacheSeed(location, wanted) : await RawSeed.open(location, wanted, options);
}

function isFileSystem(location: string): boolean {
  using opened = LocalBytes.open(location);
  const bytes = Buffer.alloc(superblock.size);
  return readUpTo(opened.fd, bytes, SUPERBLOCK_OFFSET, location) === bytes.length && superblock.decode(bytes).magic === EXT4_MAGIC;
}

/** @returns of the image whose raw image this says it is; the patch that starts from it shows whether it is. Undefined for a file system alone */
function rootHashOf(opened: LocalBytes): string | undefined {
  try {
    const { blockCount, blockSize } = new Volume(opened);
    const claim = readVerityClaim(opened, roundUp(blockCount * blockSize, BLOCK_SIZE));
    return claim === undefined ? undefined : toHex(claim.rootHash);
  } catch (error) {
    if (hasCode(error)) return undefined;
    throw error;
  }
}

/** Makes frames. */
class FrameMaker {
  private readonly codec = openCodec();
  private readonly frame: Uint8Array;
  private readonly decoder: ChunkDecoder;

  constructor(private readonly manifest: Manifest) {
    const { index: { chunkSize }, verity: { salt } } = manifest;
    this.frame = new Uint8Array(this.codec.bound(chunkSize));
    this.decoder = new ChunkDecoder(this.codec, chunkSize, parseHex(salt, 'manifest.verity.salt'));
  }

  makesFramesOf({ codec }: Manifest): boolean {
    return this.codec.implementation === codec.implementation;
  }

  /** @returns a frame, until the next call */
  make(chunk: Uint8Array): Uint8Array {
    return this.frame.subarray(0, this.codec.compress(chunk, this.frame, this.manifest.codec.level));
  }

  /** @param frame of the same chunk, made by whatever compressor @returns as {@link make}; undefined when it is damaged */
  makeAnew(place: ChunkRef, frame: Uint8Array): Uint8Array | undefined {
    try {
      return this.make(this.decoder.decode(place, frame));
    } catch (error) {
      if (hasCode(error, 'CHUNK_DIGEST_MISMATCH')) return undefined;
      throw error;
    }
  }
}

/** A seed whose chunks become frames here. */
abstract class ChunkSeed implements Seed {
  protected readonly maker: FrameMaker;

  protected constructor({ manifest }: Pick<Wanted, 'manifest'>) {
    this.maker = new FrameMaker(manifest);
  }

  hasFramesOf(manifest: Manifest): boolean {
    return this.maker.makesFramesOf(manifest);
  }

  abstract readonly location: string;
  abstract has(key: string): boolean;
  abstract read(chunk: ChunkRef, options: ReadOptions): Promise<Uint8Array | undefined>;
  abstract close(): Promise<void>;
}

/** An image of which another compressor, or another level, made the frames: for which nobody who publishes should pay with a full download. */
export class RecodedSeed extends ChunkSeed {
  /** @param image which the caller closes */
  constructor(private readonly image: ImageSeed, wanted: Pick<Wanted, 'manifest'>) {
    super(wanted);
  }

  get location(): string {
    return this.image.location;
  }

  get rootHash(): string {
    return this.image.rootHash;
  }

  has(key: string): boolean {
    return this.image.hasChunk(key);
  }

  async read(chunk: ChunkRef, options: ReadOptions): Promise<Uint8Array | undefined> {
    return this.maker.makeAnew(chunk, await this.image.read(chunk, options));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A raw image: chunks are found where they begin at a whole number of chunks. */
class RawSeed extends ChunkSeed {
  /** Offsets by key. */
  private readonly places = new Map<string, number>();

  private constructor(private readonly opened: LocalBytes, readonly rootHash: string | undefined, private readonly wanted: Wanted) {
    super(wanted);
  }

  static async open(location: string, wanted: Wanted, options: ReadOptions): Promise<RawSeed> {
    const opened = LocalBytes.open(location);
    try {
      const seed = new RawSeed(opened, rootHashOf(opened), wanted);
      if (seed.hasFramesOf(wanted.manifest)) await seed.scan(options);
      return seed;
    } catch (error) {
      opened[Symbol.dispose]();
      throw error;
    }
  }

  get location(): string {
    return this.opened.path;
  }

  has(key: string): boolean {
    return this.places.has(key);
  }

  read({ id, size }: ChunkRef): Promise<Uint8Array | undefined> {
    const chunk = Buffer.allocUnsafeSlow(size);
    const found = readUpTo(this.opened.fd, chunk, this.places.get(fromBytes(id))!, this.location) === size;
    return Promise.resolve(found ? this.maker.make(chunk) : undefined);
  }

  close(): Promise<void> {
    this.opened[Symbol.dispose]();
    return Promise.resolve();
  }

  private async scan({ signal }: ReadOptions): Promise<void> {
    const { table, manifest: { index: { chunkSize }, verity } } = this.wanted;
    const keys = new Set(table.firstByKey().keys());
    const salt = parseHex(verity.salt, 'manifest.verity.salt');
    const [chunk, leaves] = [Buffer.allocUnsafeSlow(chunkSize), new Uint8Array(chunkSize / BLOCK_SIZE * DIGEST_SIZE)];
    const { fd, size: fileSize } = this.opened;
    let offset = 0;
    let count = 0;
    for (const { start, end } of dataRanges(fd, fileSize)) {
      for (offset = Math.max(offset, start - start % chunkSize); offset < end; offset += chunkSize) {
        const size = readUpTo(fd, chunk, offset, this.location);
        if (size === 0) return;
        const key = fromBytes(sha256(leaves.subarray(0, hashLeaves(chunk.subarray(0, size), salt, leaves))));
        if (keys.has(key) && !this.places.has(key)) this.places.set(key, offset);
        if (++count % SCAN_STRIDE === 0) await turn();
        signal?.throwIfAborted();
      }
    }
  }
}

/** The chunk cache of mounts. */
class CacheSeed extends ChunkSeed {
  private readonly store: DiskStore;

  constructor(readonly location: string, wanted: Wanted) {
    super(wanted);
    this.store = new DiskStore(location, Infinity); // how much it may hold is for others to say
  }

  has(key: string): boolean {
    return this.store.has(toHex(toBytes(key)));
  }

  /** The cache may have the frame of another image, which another compressor made: it is made anew. */
  read(place: ChunkRef): Promise<Uint8Array | undefined> {
    const frame = this.store.read(toHex(place.id), false);
    return Promise.resolve(frame === undefined ? undefined : this.maker.makeAnew(place, frame));
  }

  close(): Promise<void> {
    this.store.close();
    return Promise.resolve();
  }
}
