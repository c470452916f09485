/** `diff -o`: the patch that makes one image from another (docs/format-patch.md). */
import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import type { ByteString } from '../bytes/byte-string.js';
import { parseHex } from '../bytes/hex.js';
import { openCodec } from '../codec/registry.js';
import { openPrefixCodec } from '../codec/prefix.js';
import type { Image } from '../image/image.js';
import { openImage, type OpenOptions } from '../image/open.js';
import { writeOutput } from '../image/output-file.js';
import { walk, type DirectoryNode, type FileNode } from '../model/tree.js';
import { BLOCK_SIZE, MiB, roundUp } from '../units.js';
import { ChunkTable } from './chunk-table.js';
import { keysOfImage } from './content-keys.js';
import { readImageTree } from './image-tree.js';
import { PatchWriter } from './patch-writer.js';

export interface MakePatchOptions extends Omit<OpenOptions, 'pages'> {
  /** zstd level of the patch, 1..19; default 3: on a pair of 490 MB raw images 19 is a third smaller at 25 times the processor time. */
  readonly level?: number;
  /** Raw bytes of the new image considered so far, and in all. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface MakePatchReport {
  readonly patch: string;
  readonly size: number;
  /** Chunks of the new image: taken over as they are; made from old and new data; stored, because this machine's zstd does not make their frames. */
  readonly chunks: { readonly same: number; readonly made: number; readonly stored: number };
  /** Raw bytes: copied from the old image, new data before compression. */
  readonly copied: number;
  readonly data: number;
}

/** How far around the same place of the old file, or of the old metadata, equal data are looked for. */
const REACH = 2 * MiB;
const METADATA_REACH = MiB / 4;

/**
 * Deterministic: the same two images, level and libzstd give the same patch. Memory: what the trees and indexes of both have, and
 * 120 MiB for the compressor.
 *
 * @param patch the file to write
 * @throws TOOL_MISSING without libzstd; what openImage and reading throw; NO_SPACE
 */
export async function makePatch(before: string, after: string, patch: string, options: MakePatchOptions): Promise<MakePatchReport> {
  const codec = openPrefixCodec();
  await using old = await openImage(before, options);
  await using now = await openImage(after, options);
  return await writeOutput(patch, async ({ fd }) => {
    let size = 0;
    const writer = new PatchWriter({
      codec, level: options.level ?? 3,
      write: (bytes) => { for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done); size += bytes.length; },
      readOld: (offset, length) => old.read(offset, length, options),
    });
    const maker = new PatchMaker(old, now, writer, options);
    await maker.run();
    return { patch, size, ...maker.counts };
  });
}

/** A run of the new raw image, and where it comes from. */
interface Region { readonly start: number; readonly end: number; readonly file?: FileNode; readonly logical: number }

class PatchMaker {
  readonly counts = { chunks: { same: 0, made: 0, stored: 0 }, copied: 0, data: 0 };
  private readonly matches = new Map<FileNode, { readonly file: FileNode; readonly equal: boolean }>();

  constructor(private readonly old: Image, private readonly now: Image, private readonly writer: PatchWriter, private readonly options: MakePatchOptions) {}

  async run(): Promise<void> {
    const { old, now, writer, options } = this;
    const [tables, trees] = [[await ChunkTable.read(old, options), await ChunkTable.read(now, options)] as const, [await readImageTree(old, options), await readImageTree(now, options)] as const];
    await this.match(trees[0], trees[1]);
    writer.begin({
      baseRootDigest: parseHex(old.manifest.index.rootDigest, 'rootDigest'), baseRootHash: parseHex(old.manifest.verity.rootHash, 'rootHash'),
      fileSize: BigInt(now.fileSize), fileDigest: await this.digestOfFile(),
    }, now.headBytes);
    const { raw, index: { chunkSize, chunkCount } } = now.manifest;
    const had = old.manifest.index.chunkSize === chunkSize ? tables[0].firstByKey() : new Map<string, number>();
    const regions = regionsOf(trees[1], raw.fileSystemSize);
    let region = 0;
    for (let number = 0; number < chunkCount; number++) {
      options.signal?.throwIfAborted();
      const place = tables[1].place(number);
      const frame = await now.readFile(place.frameOffset, place.frameSize, options);
      const twin = had.get(tables[1].key(number));
      const [start, end] = [number * chunkSize, number * chunkSize + place.size];
      options.onProgress?.(start, raw.size);
      if (twin !== undefined && await this.hasFrame(tables[0], twin, frame)) {
        await writer.add('same', 1, twin);
        this.counts.chunks.same++;
        continue;
      }
      const bytes = await now.read(start, place.size, options);
      if (!this.isReproducible(bytes, frame)) {
        await writer.addData(frame, 'frame');
        this.counts.chunks.stored++;
        continue;
      }
      this.counts.chunks.made++;
      while (regions[region] !== undefined && regions[region]!.end <= start) region++;
      for (let i = region; regions[i] !== undefined && regions[i]!.start < end; i++) await this.makeRegion(regions[i]!, start, end, bytes);
      if (end > raw.fileSystemSize) await writer.add('hashes', end - Math.max(start, raw.fileSystemSize), Math.max(start, raw.fileSystemSize));
    }
    await writer.finish();
  }

  private async digestOfFile(): Promise<Uint8Array> {
    const hash = createHash('sha256');
    for (let at = 0; at < this.now.fileSize; at += 4 * MiB) hash.update(await this.now.readFile(at, Math.min(4 * MiB, this.now.fileSize - at), this.options));
    return hash.digest();
  }

  private async hasFrame(table: ChunkTable, number: number, frame: Uint8Array): Promise<boolean> {
    const { frameOffset, frameSize } = table.place(number);
    return frameSize === frame.length && Buffer.compare(await this.old.readFile(frameOffset, frameSize, this.options), frame) === 0;
  }

  /** Whether whoever applies the patch can make this frame from the chunk's bytes. */
  private isReproducible(bytes: Uint8Array, frame: Uint8Array): boolean {
    const codec = openCodec();
    if (codec.implementation !== this.now.manifest.codec.implementation) return false;
    const target = new Uint8Array(codec.bound(bytes.length));
    const size = codec.compress(bytes, target, this.now.manifest.codec.level);
    return Buffer.compare(target.subarray(0, size), frame) === 0;
  }

  /** The part of a region inside the chunk at [start, end). */
  private async makeRegion(region: Region, start: number, end: number, chunk: Uint8Array): Promise<void> {
    const [from, to] = [Math.max(region.start, start), Math.min(region.end, end)];
    const logical = region.logical + from - region.start;
    const match = region.file === undefined ? undefined : this.matches.get(region.file);
    if (match?.equal === true) await this.copy(match.file, logical, from, to, start, chunk);
    else {
      await this.writer.makeRoom(to - from); // references are known in their batch only
      await (match === undefined ? this.referMetadata(region, from, to) : this.refer(match.file, logical, to - from));
      await this.data(chunk.subarray(from - start, to - start));
    }
  }

  private async copy(file: FileNode, logical: number, from: number, to: number, start: number, chunk: Uint8Array): Promise<void> {
    let at = from;
    for (const { offset, length, source, sourceOffset } of file.content.pieces) {
      if (source instanceof Uint8Array) continue;
      const pieceEnd = offset + (offset + length === file.content.size ? roundUp(length, BLOCK_SIZE) : length);
      const [begin, stop] = [Math.max(offset, logical + at - from), Math.min(pieceEnd, logical + to - from)];
      if (begin >= stop) continue;
      const target = from + begin - logical;
      if (target > at) await this.data(chunk.subarray(at - start, target - start)); // a hole there
      await this.copyOrData(sourceOffset + begin - offset, chunk.subarray(target - start, target - start + stop - begin));
      at = target + stop - begin;
    }
    if (at < to) await this.data(chunk.subarray(at - start, to - start));
  }

  /** Behind the end of a file that mkfs made there may be anything, so equal files are not yet equal blocks. */
  private async copyOrData(oldOffset: number, bytes: Uint8Array): Promise<void> {
    if (Buffer.compare(await this.old.read(oldOffset, bytes.length, this.options), bytes) !== 0) {
      await this.data(bytes);
      return;
    }
    await this.writer.add('copy', bytes.length, oldOffset);
    this.counts.copied += bytes.length;
  }

  private async data(bytes: Uint8Array): Promise<void> {
    await this.writer.addData(bytes);
    this.counts.data += bytes.length;
  }

  private async refer(file: FileNode, logical: number, length: number): Promise<void> {
    const [low, high] = windowAround(logical, length, REACH);
    for (const { offset, length: size, source, sourceOffset } of file.content.pieces) {
      if (source instanceof Uint8Array) continue;
      const [begin, stop] = [Math.max(offset, low), Math.min(offset + size, high)];
      if (begin < stop) await this.writer.reference(sourceOffset + begin - offset, stop - begin);
    }
  }

  /** What belongs to no file lies in much the same place in both images. */
  private async referMetadata({ file }: Region, from: number, to: number): Promise<void> {
    if (file !== undefined) return;
    const [low, high] = windowAround(from, to - from, METADATA_REACH);
    const end = Math.min(high, this.old.manifest.raw.fileSystemSize);
    await this.writer.reference(low, end - low);
  }

  /** For each new file an old one: with equal content wherever it is, else of the same name, else of a name that differs in digits only. */
  private async match(before: DirectoryNode, after: DirectoryNode): Promise<void> {
    const salt = parseHex(this.now.manifest.verity.salt, 'manifest.verity.salt');
    const [oldKeys, newKeys] = [keysOfImage(this.old, salt), keysOfImage(this.now, salt)];
    const [byKey, byPath, byShape] = [new Map<string, FileNode>(), new Map<ByteString, FileNode>(), new Map<ByteString, FileNode>()];
    for (const { path, node } of walk(before)) {
      if (node.kind !== 'file') continue;
      byPath.set(path, node);
      byShape.set(shapeOf(path), node);
      byKey.set(await oldKeys.keyOf(node.content, this.options), node);
    }
    for (const { path, node } of walk(after)) {
      if (node.kind !== 'file' || this.matches.has(node)) continue;
      const equal = byKey.get(await newKeys.keyOf(node.content, this.options));
      const similar = byPath.get(path) ?? byShape.get(shapeOf(path));
      if (equal !== undefined) this.matches.set(node, { file: equal, equal: true });
      else if (similar !== undefined) this.matches.set(node, { file: similar, equal: false });
    }
  }
}

/** Windows step by their reach, so that neighbouring chunks of a file ask for the same parts. */
function windowAround(offset: number, length: number, reach: number): readonly [low: number, high: number] {
  return [Math.max(0, Math.floor(offset / reach) * reach - reach), Math.ceil((offset + length) / reach) * reach + reach];
}

function shapeOf(path: ByteString): ByteString {
  return path.replace(/\d+/g, '0');
}

/** @returns the whole file system in order: parts of files, and what lies between them; shared blocks belong to the first name */
function regionsOf(root: DirectoryNode, size: number): Region[] {
  const parts: Region[] = [];
  const seen = new Set<FileNode>();
  for (const { node } of walk(root)) {
    if (node.kind !== 'file' || seen.has(node)) continue;
    seen.add(node);
    for (const { offset, length, source, sourceOffset } of node.content.pieces) {
      const last = offset + length === node.content.size;
      if (!(source instanceof Uint8Array)) parts.push({ start: sourceOffset, end: sourceOffset + (last ? roundUp(length, BLOCK_SIZE) : length), file: node, logical: offset });
    }
  }
  parts.sort((a, b) => a.start - b.start);
  const regions: Region[] = [];
  let at = 0;
  for (const part of parts) {
    if (part.start > at) regions.push({ start: at, end: part.start, logical: 0 });
    if (part.end > at) regions.push(part.start >= at ? part : { ...part, start: at, logical: part.logical + at - part.start });
    at = Math.max(at, part.end);
  }
  if (at < size) regions.push({ start: at, end: size, logical: 0 });
  return regions;
}
