/** Reads a content from its start to its end: an archive that lies inside another, or a blob. */
import { closeSync, openSync, readSync } from 'node:fs';
import { Readable } from 'node:stream';
import { display, toBytes } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import { isHostFile } from '../model/content.js';
import type { Content, HostFile, Piece } from '../model/content.js';
import { MiB } from '../units.js';
import type { Feed } from './archive-reader.js';
import { changed } from './tree-source.js';

export class ContentFeed implements Feed {
  #pieces: Iterator<Piece>;
  #piece: Piece | undefined;
  #position = 0;
  #open: { readonly file: HostFile; readonly fd: number } | undefined;

  constructor(private readonly content: Content, private readonly signal?: AbortSignal) {
    this.#pieces = content.pieces[Symbol.iterator]();
    this.#advance();
  }

  /** Starts again from the first byte. */
  rewind(): void {
    this.#pieces = this.content.pieces[Symbol.iterator]();
    this.#position = 0;
    this.#advance();
  }

  fill(target: Uint8Array): number {
    this.signal?.throwIfAborted();
    const left = this.content.size - this.#position;
    const piece = this.#piece;
    const gap = Math.min(left, (piece?.offset ?? this.content.size) - this.#position);
    let count: number;
    if (piece === undefined || gap > 0) {
      count = Math.min(gap, target.length);
      target.fill(0, 0, count);
    } else {
      const inPiece = this.#position - piece.offset;
      count = this.#read(piece, inPiece, target.subarray(0, Math.min(target.length, piece.length - inPiece)));
      if (inPiece + count === piece.length) this.#advance();
    }
    this.#position += count;
    return count;
  }

  /** Must be called once; {@link contentStream} does. */
  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #advance(): void {
    const next = this.#pieces.next();
    this.#piece = next.done === true ? undefined : next.value;
  }

  #read(piece: Piece, inPiece: number, target: Uint8Array): number {
    const { source } = piece;
    const offset = piece.sourceOffset + inPiece;
    if (source instanceof Uint8Array || !isHostFile(source)) {
      target.set(source instanceof Uint8Array ? source.subarray(offset, offset + target.length) : source.read(offset, target.length));
      return target.length;
    }
    let count: number;
    try {
      if (this.#open?.file !== source) {
        this.close();
        this.#open = { file: source, fd: openSync(toBytes(source.path), 'r') };
      }
      count = readSync(this.#open.fd, target, 0, target.length, offset);
    } catch (error) {
      throw fromErrno(error, `reading ${display(source.path)}`);
    }
    if (count === 0) throw changed(source.path, 'became shorter');
    return count;
  }
}

/** @returns the content as a stream of buffers of 1 MiB, each the reader's own. */
export function contentStream(content: Content, signal?: AbortSignal): Readable {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const feed = new ContentFeed(content, signal);
    try {
      for (;;) {
        const chunk = Buffer.allocUnsafe(MiB);
        const count = feed.fill(chunk);
        if (count === 0) return;
        yield await Promise.resolve(chunk.subarray(0, count));
      }
    } finally {
      feed.close();
    }
  }
  return Readable.from(chunks(), { objectMode: false });
}

/**
 * @param limit the most bytes to read
 * @param label names the content in messages
 * @returns all bytes
 * @throws LIMIT_EXCEEDED when there are more
 */
export function contentBytes(content: Content, limit: number, label: string): Uint8Array {
  if (content.size > limit) {
    throw new ThawfsError('LIMIT_EXCEEDED', `${label}: ${content.size} bytes, at most ${limit} are read`, { detail: { length: content.size, limit } });
  }
  const bytes = new Uint8Array(content.size);
  const feed = new ContentFeed(content);
  try {
    for (let done = 0; done < bytes.length;) done += feed.fill(bytes.subarray(done));
  } finally {
    feed.close();
  }
  return bytes;
}
