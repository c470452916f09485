/** Container layers laid over one another in memory, from the lowest to the highest. */
import { ThawfsError, hasCode } from '../errors.js';
import type { Content } from '../model/content.js';
import { isHostFile } from '../model/content.js';
import type { DirectoryNode } from '../model/tree.js';
import { ArchiveReader } from './archive-reader.js';
import { SNIFF_BYTES, decompress, sniffCompression } from './compression.js';
import { ContentFeed, contentStream } from './content-feed.js';
import { StreamFeed } from './feeds.js';
import type { ReadTarOptions } from './from-tar.js';
import { Spool } from './spool.js';
import { readMembers } from './tar/read-members.js';
import type { ContentStore, TarOptions } from './tar/read-members.js';
import { TreeBuilder } from './tree-builder.js';
import type { TreeSource } from './tree-source.js';
import { LayerTarget } from './whiteouts.js';

export interface Layer {
  /** Names the layer in messages: its digest or path. */
  readonly label: string;
  /** A tar archive, compressed or not. */
  readonly content: Content;
}

/**
 * Contents of an uncompressed layer stay where they are, if they lie there in one piece; all others go into one temporary file.
 *
 * @param layers the lowest first
 * @throws what reading a tar throws
 */
export async function flattenLayers(layers: readonly Layer[], options: ReadTarOptions): Promise<TreeSource> {
  const spool = new Spool(options.spoolDirectory);
  const store: ContentStore = { get file() { return spool.file; }, keep: (bytes) => spool.append(bytes) };
  const warnings = new Set<string>();
  const builder = new TreeBuilder({ symlinkParents: 'resolve', ...(options.memoryLimit === undefined ? {} : { memoryLimit: options.memoryLimit }) });
  // A layer has a digest that vouches for its end, and some writers leave the end mark out.
  const tarOptions: TarOptions = { extraXattrs: options.extraXattrs ?? [], endOptional: true, warn: (warning) => warnings.add(warning) };
  try {
    for (const layer of layers) await readLayer(layer, new LayerTarget(builder), store, tarOptions, options.signal);
    spool.flush();
  } catch (error) {
    spool.dispose();
    throw error;
  }
  return { root: builder.root, warnings: [...warnings], dispose: () => spool.dispose() };
}

/** As flattenLayers, of layers that lie in an archive, which is done with when they are. */
export async function flattenArchive(archive: TreeSource, layersOf: (root: DirectoryNode) => readonly Layer[], options: ReadTarOptions): Promise<TreeSource> {
  try {
    const flat = await flattenLayers(layersOf(archive.root), options);
    return {
      root: flat.root, warnings: [...archive.warnings, ...flat.warnings],
      dispose: () => {
        flat.dispose();
        archive.dispose();
      },
    };
  } catch (error) {
    archive.dispose();
    throw error;
  }
}

async function readLayer({ label, content }: Layer, target: LayerTarget, store: ContentStore, options: TarOptions, signal?: AbortSignal): Promise<void> {
  const feed = new ContentFeed(content, signal);
  try {
    const start = new Uint8Array(SNIFF_BYTES);
    const compression = sniffCompression(start.subarray(0, feed.fill(start)), label);
    feed.rewind();
    if (compression === 'none') {
      await readMembers(new ArchiveReader(feed), target, storeInPlace(content) ?? store, options);
      return;
    }
    const stream = decompress(contentStream(content, signal), compression);
    try {
      await readMembers(new ArchiveReader(new StreamFeed(stream, label, signal)), target, store, options);
    } finally {
      stream.destroy();
    }
  } catch (error) {
    throw inLayer(label, error);
  } finally {
    feed.close();
  }
}

/** @returns the error, where it is about the bytes of the layer, with the name of the layer before its message */
function inLayer(label: string, error: unknown): unknown {
  if (!hasCode(error) || (error.kind !== 'format' && error.kind !== 'unsupported') || error.message.startsWith(label)) return error;
  const { code, message, detail, suggestions: [suggestion], cause } = error;
  return new ThawfsError(code, `${label}: ${message}`, { detail, cause, ...(suggestion === undefined ? {} : { suggestion }) });
}

/** @returns a store that leaves contents where they are; undefined unless the layer is one run of one file, holes included. */
function storeInPlace({ pieces }: Content): ContentStore | undefined {
  const [first, ...others] = pieces;
  if (first === undefined || first.source instanceof Uint8Array || !isHostFile(first.source) || first.source.seen === undefined) return undefined;
  const { source: file } = first;
  const base = first.sourceOffset - first.offset;
  if (others.some(({ source, sourceOffset, offset }) => source !== file || sourceOffset - offset !== base)) return undefined;
  return { file, keep: (_, archiveOffset) => base + archiveOffset };
}
