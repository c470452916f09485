/** A tar archive as a tree; docs/decisions/tar.md says what is kept, refused and why. */
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fromText } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError, fromErrno } from '../errors.js';
import type { HostFile } from '../model/content.js';
import { MiB } from '../units.js';
import { ArchiveReader } from './archive-reader.js';
import { SNIFF_BYTES, decompress, peek, sniffCompression } from './compression.js';
import { FileFeed, StreamFeed } from './feeds.js';
import { openStream } from './open-stream.js';
import { Spool } from './spool.js';
import { readMembers } from './tar/read-members.js';
import type { ContentStore } from './tar/read-members.js';
import { TreeBuilder } from './tree-builder.js';
import type { TreeSource } from './tree-source.js';

export interface ReadTarOptions {
  /** Full names of extended attributes kept beside the portable ones; default none. */
  readonly extraXattrs?: readonly ByteString[];
  /** Where contents go that cannot stay in the archive; default `TMPDIR`, else /tmp. */
  readonly spoolDirectory?: string;
  /** The most memory that the tree may take, bytes; default the size that the heap may have. */
  readonly memoryLimit?: number;
  /** What `-` reads; default the process's standard input. */
  readonly stdin?: Readable;
  readonly signal?: AbortSignal;
}

/**
 * Reads `.tar`, `.tar.gz` or `.tar.zst`, told apart by their first bytes. Contents of a plain file stay in it; those of a
 * stream or a compressed file go into one temporary file without a name, zeros left out. About 1 GB/s plain.
 *
 * @param input path of a file, `-` for standard input, or a stream
 * @throws PATH_MISSING; TRUNCATED, CHECKSUM_MISMATCH, BAD_FIELD, LIMIT_EXCEEDED for what is no proper archive;
 *   FEATURE_UNSUPPORTED for other compressions and members; NO_SPACE for the temporary file
 */
export async function readTar(input: string | Readable, options: ReadTarOptions = {}): Promise<TreeSource> {
  if (typeof input !== 'string') return readStream(input, 'the stream', options);
  if (input === '-') return readStream(options.stdin ?? process.stdin, 'standard input', options);
  const fd = openInput(input);
  if (typeof fd !== 'number') return readStream(fd, input, options);
  const stats = fstatSync(fd);
  let stream: Readable | undefined;
  try {
    if (stats.isDirectory()) throw new ThawfsError('BAD_ARGUMENT', `${input} is a directory, not an archive`, { detail: { path: input }, suggestion: 'Name the archive; a directory with an OCI layout is oci:DIR.' });
    const start = Buffer.alloc(SNIFF_BYTES);
    const compression = sniffCompression(start.subarray(0, readSync(fd, start, 0, SNIFF_BYTES, 0)), input);
    if (compression === 'none') {
      const file: HostFile = { kind: 'host-file', path: fromText(resolve(input)), seen: { size: stats.size, mtimeMs: stats.mtimeMs } };
      return await readPlain(new ArchiveReader(new FileFeed(fd, input, options.signal)), { file, keep: (_, archiveOffset) => archiveOffset }, options);
    }
    stream = decompress(createReadStream(input, { fd, start: 0, highWaterMark: MiB }), compression);
  } finally {
    if (stream === undefined) closeSync(fd);
  }
  return readSpooled(stream, input, options);
}

/** @returns a descriptor, or a stream of what can only be read from its start to its end */
function openInput(path: string): number | Readable {
  try {
    const stats = statSync(path);
    return stats.isFile() || stats.isDirectory() ? openSync(path, constants.O_RDONLY | constants.O_NONBLOCK) : openStream(path, stats);
  } catch (error) {
    throw fromErrno(error, `opening ${path}`);
  }
}

async function readStream(input: Readable, label: string, options: ReadTarOptions): Promise<TreeSource> {
  const { start, stream } = await peek(input, label, options.signal);
  return readSpooled(decompress(stream, sniffCompression(start, label)), label, options);
}

async function readSpooled(stream: Readable, label: string, options: ReadTarOptions): Promise<TreeSource> {
  const spool = new Spool(options.spoolDirectory);
  const store: ContentStore = { get file() { return spool.file; }, keep: (bytes) => spool.append(bytes) };
  try {
    const tree = await readPlain(new ArchiveReader(new StreamFeed(stream, label, options.signal)), store, options);
    spool.flush();
    return { ...tree, dispose: () => spool.dispose() };
  } catch (error) {
    spool.dispose();
    throw error;
  } finally {
    stream.destroy();
  }
}

async function readPlain(reader: ArchiveReader, store: ContentStore, options: ReadTarOptions): Promise<TreeSource> {
  const builder = new TreeBuilder(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit });
  const warnings = new Set<string>();
  await readMembers(reader, builder, store, { extraXattrs: options.extraXattrs ?? [], warn: (warning) => warnings.add(warning) });
  return { root: builder.root, warnings: [...warnings], dispose: () => undefined };
}
