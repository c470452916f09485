/** Which chunks of an image a cache has, and whether a web server is asked for one of those again. */
import { existsSync } from 'node:fs';
import { toHex } from '../../src/bytes/hex.js';
import { decodeHead } from '../../src/chunk/head.js';
import { IndexReader, isPagePlace, type ChunkPlace } from '../../src/chunk/index-reader.js';
import { decodeManifest } from '../../src/format/manifest.js';

/** @param image the whole file @returns where all its chunks lie, in order */
export function chunksOf(image: Uint8Array): ChunkPlace[] {
  const head = decodeHead(image.subarray(0, Buffer.from(image.buffer, image.byteOffset).readUInt32LE(4) + 8));
  const { raw, index: { chunkSize, chunkCount } } = decodeManifest(head.manifest);
  const index = new IndexReader({ chunkCount, chunkSize, rawSize: raw.size, framesOffset: head.headSize, indexOffset: head.indexOffset, maxFrameSize: chunkSize * 2 }, head.rootPage);
  return Array.from({ length: chunkCount }, (_, chunk) => {
    for (;;) {
      const place = index.find(chunk);
      if (!isPagePlace(place)) return place;
      index.accept(place, image.subarray(place.offset, place.offset + place.size));
    }
  });
}

/** The object of a chunk in a cache. */
export function objectPath(cache: string, { id }: ChunkPlace): string {
  const name = toHex(id);
  return `${cache}/objects/${name.slice(0, 2)}/${name.slice(2)}`;
}

/**
 * A request begins and ends with chunks that are wanted; what lies between may come along because it is cheaper so.
 *
 * @param range the Range header
 * @returns numbers of the chunks at the ends of the range that the cache has already
 */
export function askedAgain(range: string | undefined, chunks: readonly ChunkPlace[], cache: string): number[] {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '')?.map(Number) ?? [];
  const ends = chunks.filter(({ frameOffset, frameSize }) => frameOffset === first || frameOffset + frameSize - 1 === last);
  return ends.filter((place) => existsSync(objectPath(cache, place))).map(({ number }) => number);
}
