/**
 * Content: bytes described by where they are, not held. A regular file and a whole raw image are both contents, so the
 * packer reads either from host files straight into its chunk buffers, and nothing is copied twice.
 */
import type { ByteString } from '../bytes/byte-string.js';
import type { RandomAccess } from '../bytes/random-access.js';

/** A file of this machine that holds bytes. One object is shared by all pieces of a content that come from the file. */
export interface HostFile {
  readonly kind: 'host-file';
  readonly path: ByteString;
  /** Size and mtime when scanned; a reader that finds others fails with SOURCE_CHANGED. Absent for spool files of our own. */
  readonly seen?: { readonly size: number; readonly mtimeMs: number };
}

/** A run of bytes, and where to read it. */
export interface Piece {
  /** Position inside the content. */
  readonly offset: number;
  readonly length: number;
  readonly source: Uint8Array | HostFile | RandomAccess;
  /** Position inside the source. */
  readonly sourceOffset: number;
}

export interface Content {
  readonly size: number;
  /** Ascending, not overlapping, inside `size`; what no piece covers is zero. */
  readonly pieces: Iterable<Piece>;
}

export function isHostFile(source: Piece['source']): source is HostFile {
  return (source as { readonly kind?: unknown }).kind === 'host-file';
}

/** @returns a content of bytes that are in memory. */
export function bytesContent(bytes: Uint8Array): Content {
  return { size: bytes.length, pieces: bytes.length === 0 ? [] : [{ offset: 0, length: bytes.length, source: bytes, sourceOffset: 0 }] };
}
