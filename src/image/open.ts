import { parseHex, toHex } from '../bytes/hex.js';
import { ChunkDecoder } from '../chunk/chunk-decoder.js';
import { decodeHead } from '../chunk/head.js';
import { IndexReader, type ChunkPlace } from '../chunk/index-reader.js';
import { seekTableFrameCount } from '../chunk/tail.js';
import { openCodec } from '../codec/registry.js';
import { ThawfsError } from '../errors.js';
import { HEAD_MAX_SIZE, seekTableEntry, seekTableFooter, SKIPPABLE_HEADER_SIZE } from '../format/container.js';
import type { Manifest } from '../format/manifest.js';
import { decodeSignatures } from '../format/signatures.js';
import { sha256 } from '../hash/sha256.js';
import { openSource, type SourceOptions } from '../source/open-source.js';
import type { OnRequest, OpenedSource, RangeSource } from '../source/range-source.js';
import { DEFAULT_CACHE_SIZE, MemoryStore } from '../store/memory-store.js';
import { RemoteStore } from '../store/remote-store.js';
import { SingleFlightStore } from '../store/single-flight.js';
import { demandPolicy, requireTrust, type TrustPolicy } from '../trust/policy.js';
import { Image, type ImageStatistics } from './image.js';
import { Locator, type PageShelf } from './locator.js';

export interface OpenOptions extends SourceOptions {
  /** Whose images are accepted; required, because reading what anybody made is a decision. */
  readonly trust: TrustPolicy;
  /** Bytes of chunks kept in memory. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Where index pages may be at hand, for those who open several images; default nowhere. */
  readonly pages?: PageShelf;
}

/**
 * Opens an image for lazy reading: checks who vouches for it, and fetches nothing of its content. Every byte that is
 * read later is verified against what was checked here.
 *
 * Cost: one request of at most 64 KiB, whatever the image's size.
 *
 * @param location a path, a `file:` URL, or an `http:` or `https:` URL
 * @throws what {@link requireTrust} throws when the policy refuses it; BAD_MAGIC, VERSION_UNSUPPORTED, BAD_FIELD, LIMIT_EXCEEDED,
 *   TRUNCATED, STRUCTURE_INVALID when it is no such image; INDEX_DIGEST_MISMATCH; what openSource throws
 */
export async function openImage(location: string, options: OpenOptions): Promise<Image> {
  demandPolicy((options as OpenOptions | undefined)?.trust);
  const statistics: ImageStatistics = { requests: 0, bytesFetched: 0, chunksDecoded: 0, chunksRefetched: 0 };
  const onRequest: OnRequest = (request) => {
    statistics.requests++;
    statistics.bytesFetched += request.bytesReceived;
    options.onRequest?.(request);
  };
  return openImageFrom(await openSource(location, HEAD_MAX_SIZE, { ...options, onRequest }), options, statistics);
}

/**
 * As {@link openImage}, over a source that is open already: one of another kind, or bytes in memory.
 *
 * @param opened with HEAD_MAX_SIZE bytes of opening; the image closes the source, also when it cannot be opened
 * @param statistics the image counts on in it
 */
export async function openImageFrom(
  { source, opening }: OpenedSource, options: Pick<OpenOptions, 'trust' | 'cacheBytes' | 'pages'>, statistics: ImageStatistics = { requests: 0, bytesFetched: 0, chunksDecoded: 0, chunksRefetched: 0 },
): Promise<Image> {
  try {
    return assemble(source, opening, options, statistics);
  } catch (error) {
    await source.close();
    throw error;
  }
}

function assemble(source: RangeSource, opening: Uint8Array, { trust: policy, cacheBytes = DEFAULT_CACHE_SIZE, pages }: Pick<OpenOptions, 'trust' | 'cacheBytes' | 'pages'>, statistics: ImageStatistics): Image {
  const head = decodeHead(opening);
  const signatures = head.signatures === undefined ? [] : decodeSignatures(head.signatures);
  const trust = requireTrust({ manifestBytes: head.manifest, signatures, policy });
  const { manifest } = trust;
  requireRootPage(head.rootPage, manifest);
  const { chunkSize, chunkCount } = manifest.index;
  const codec = openCodec();
  const index = new IndexReader({
    chunkCount, chunkSize, rawSize: manifest.raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize: codec.bound(chunkSize),
  }, head.rootPage);
  requireWhole(source, head.indexOffset + SKIPPABLE_HEADER_SIZE + index.pagesSize + seekTableSize(chunkCount));

  const decoder = new ChunkDecoder(codec, chunkSize, parseHex(manifest.verity.salt, 'manifest.verity.salt'));
  const decode = (place: ChunkPlace, frame: Uint8Array): Uint8Array => {
    const chunk = decoder.decode(place, frame);
    statistics.chunksDecoded++;
    return chunk;
  };
  const chunks = new SingleFlightStore(new RemoteStore(source, decode, () => { statistics.chunksRefetched++; }));
  return new Image({
    head, headBytes: opening.subarray(0, head.headSize), manifest, trust, source, chunks, decode, statistics, memory: new MemoryStore(chunks, cacheBytes), locator: new Locator(index, source, pages),
  });
}

function requireRootPage(rootPage: Uint8Array, manifest: Manifest): void {
  const actual = toHex(sha256(rootPage));
  const expected = manifest.index.rootDigest;
  if (actual === expected) return;
  throw new ThawfsError('INDEX_DIGEST_MISMATCH', `root page of the chunk index: sha256 is ${actual}, the manifest says ${expected}`, {
    detail: { expected, actual }, suggestion: 'Fetch or copy the image again.',
  });
}

function seekTableSize(chunkCount: number): number {
  return SKIPPABLE_HEADER_SIZE + seekTableFrameCount(chunkCount) * seekTableEntry.size + seekTableFooter.size;
}

/** A download that was cut short is found now, not when somebody reads its missing end. */
function requireWhole({ location, size }: RangeSource, needed: number): void {
  if (size >= needed) return;
  throw new ThawfsError('TRUNCATED', `${location}: has ${size} bytes, the whole image has ${needed}`, {
    detail: { location, size, needed }, suggestion: 'Fetch or copy the image again.',
  });
}
