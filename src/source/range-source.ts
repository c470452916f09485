/** Sources: bytes at ranges, from a file, a web server or memory. They know nothing of images. */

import type { RemoteState } from './http-answer.js';

export interface ReadOptions {
  /** Aborting rejects with the signal's reason, unwrapped. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called while the answer comes: `bytes` is what the read will return, of which the first `arrived` are here. A read that is tried
   * again begins anew. Sources that answer at once need not call it.
   */
  readonly onArrival?: ((bytes: Uint8Array, arrived: number) => void) | undefined;
}

export interface RangeSource {
  /** For messages: a path, or a URL without credentials and without its query. */
  readonly location: string;
  /** Bytes in all, when opened. */
  readonly size: number;
  /** Differs when the content differs: an ETag, a date, an inode with its mtime. Undefined where nothing of the kind is known. */
  readonly identity: string | undefined;
  /**
   * @returns exactly `length` bytes at `offset`; the caller owns them
   * @throws TRUNCATED when the range leaves the source; SOURCE_CHANGED when it is not what was opened; else as openSource
   */
  read(offset: number, length: number, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Present where bytes are on this machine and waiting for them is short. As {@link RangeSource.read}.
   *
   * @param memory at least `length` bytes that may be read into: the result may be a part of it
   */
  readSync?(offset: number, length: number, memory?: Uint8Array): Uint8Array;
  /** Present where another process can open the same without asking, as reopenSource does: what tells it from others, plain data. */
  readonly state?: RemoteState | undefined;
  /** Of a file of this machine, good until the source is closed: worker threads read through it. */
  readonly descriptor?: number;
  /** Gives up descriptors and connections; reads under way fail. */
  close(): Promise<void>;
}

/** A source together with its first bytes: over HTTP the first answer is what tells size and identity, so opening costs one request. */
export interface OpenedSource {
  readonly source: RangeSource;
  /** As many of the source's first bytes as were asked for, fewer when it is shorter. The caller owns them. */
  readonly opening: Uint8Array;
}

/** A source that was open before: its state then, and some of its first bytes, at least one. */
export interface KnownSource {
  readonly state: RemoteState;
  readonly opening: Uint8Array;
}

/** What one request asked for and brought: for statistics and traces. Sent when it is over, whatever its outcome. */
export interface RequestRecord {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
  /** Bytes of the range that arrived. */
  readonly bytesReceived: number;
}

export type OnRequest = (request: RequestRecord) => void;
