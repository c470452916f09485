/** The files inside an image: the synchronous ext4 reader joined to an image whose chunks arrive when they are needed. */
import { fromDisplayed, type ByteString } from '../bytes/byte-string.js';
import type { RandomAccess } from '../bytes/random-access.js';
import { ThawfsError } from '../errors.js';
import { Ext4Reader } from '../ext4/reader/reader.js';
import type { NodeKind } from '../model/tree.js';
import type { ReadOptions } from '../source/range-source.js';
import { MiB } from '../units.js';
import type { Image } from './image.js';

/** One file system reader per image, kept between calls with its caches; each call reads through the view of its own run. */
export class ImageFiles {
  private readonly window: RandomAccess & { target: RandomAccess };
  private reader: Ext4Reader | undefined;

  constructor(readonly image: Image) {
    this.window = {
      target: image.randomAccess, size: image.manifest.raw.size,
      read(offset, length) { return this.target.read(offset, length); },
    };
  }

  /**
   * @param work a synchronous reading of the file system; it may run many times, so it changes nothing outside itself before its last read
   * @throws what `work` throws; what fetching throws
   */
  run<T>(work: (reader: Ext4Reader) => T, options: ReadOptions = {}): Promise<T> {
    return this.image.run((view) => {
      this.window.target = view;
      this.reader ??= new Ext4Reader(this.window);
      return work(this.reader);
    }, options);
  }

  /**
   * The content of a file in order, holes as zeros.
   *
   * @param path in the image; symlinks are followed
   * @returns parts of at most 1 MiB; the consumer owns them
   * @throws PATH_MISSING; BAD_ARGUMENT when it is not a regular file; as {@link Image.chunks}
   */
  async *content(path: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const { size, inline, extents } = await this.run((reader) => {
      const { inode } = reader.resolve(fromDisplayed(path));
      if (inode.kind !== 'file') throw notAFile(path, inode.kind);
      const inline = inode.mapping === 'inline' ? reader.read(inode, 0, inode.size) : undefined;
      return { size: inode.size, inline, extents: reader.extents(inode) };
    }, options);
    if (inline !== undefined) { yield inline; return; }
    let at = 0;
    for (const { logical, physical, length, unwritten } of extents) {
      if (unwritten) continue;
      yield* zeros(logical - at);
      for await (const { bytes } of this.image.chunks(physical, physical + length, options)) yield bytes;
      at = logical + length;
    }
    yield* zeros(size - at);
  }
}

function notAFile(path: string, kind: NodeKind): ThawfsError {
  return new ThawfsError('BAD_ARGUMENT', `${path}: is a ${kind.replace('-', ' ')}, not a regular file`, {
    detail: { path, kind }, suggestion: kind === 'directory' ? 'List it with thawfs ls.' : 'See what it is with thawfs stat.',
  });
}

function* zeros(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= MiB) yield new Uint8Array(Math.min(left, MiB));
}

/** @returns `path` in the normal form that reports use: a leading slash, no trailing one. */
export function displayedPath(path: ByteString): ByteString {
  return `/${path.replace(/^\/+|\/+$/g, '')}`;
}
