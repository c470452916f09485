import { describe, expect, test } from '@jest/globals';
import { IndexReader, isPagePlace, type ChunkPlace, type IndexGeometry } from '../../../src/chunk/index-reader.js';
import { buildIndex, type BuiltIndex } from '../../helpers/index-pages.js';

const code = (name: string): unknown => expect.objectContaining({ code: name });
const CHUNK = 65536;
const HEAD = 8192;

/** Chunks of recognisable sizes and ids. */
function chunksOf(count: number): { frameSize: number; id: Uint8Array }[] {
  return Array.from({ length: count }, (_, number) => {
    const id = Buffer.alloc(32, 0xab);
    id.writeUInt32LE(number);
    return { frameSize: 100 + number * 7 % 5000, id };
  });
}

function geometryOf(count: number, { positions }: BuiltIndex): IndexGeometry {
  return {
    chunkCount: count, chunkSize: CHUNK, rawSize: (count - 1) * CHUNK + 4096, framesOffset: HEAD, indexOffset: HEAD + positions.at(-1)!, maxFrameSize: 70_000,
  };
}

/** Answers page requests, and counts them. */
class Pages {
  readonly fetched: string[] = [];

  constructor(readonly reader: IndexReader, private readonly index: BuiltIndex, private readonly pagesOffset: number) {}

  find(chunk: number): ChunkPlace {
    for (;;) {
      const place = this.reader.find(chunk);
      if (!isPagePlace(place)) return place;
      this.fetched.push(`${place.level}.${place.number}`);
      const start = place.offset - this.pagesOffset;
      this.reader.accept(place, this.index.pages.subarray(start, start + place.size));
    }
  }
}

function open(count: number, pagesKept?: number): Pages {
  const index = buildIndex(chunksOf(count));
  const geometry = geometryOf(count, index);
  return new Pages(new IndexReader(geometry, index.rootPage, pagesKept), index, geometry.indexOffset + 8);
}

describe('finding chunks', () => {
  test.each([1, 2, 1023, 1024, 1025, 2048, 2049])('all of %d', (count) => {
    const pages = open(count);
    const chunks = chunksOf(count);
    let offset = HEAD;
    for (let number = 0; number < count; number++) {
      const { frameSize, id } = chunks[number]!;
      expect(pages.find(number)).toEqual({
        number, frameOffset: offset, frameSize, size: number === count - 1 ? 4096 : CHUNK, id: expect.anything() as unknown,
      });
      expect(Buffer.compare(pages.find(number).id, id)).toBe(0);
      offset += frameSize;
    }
    expect(pages.fetched).toEqual(count <= 1024 ? [] : Array.from({ length: Math.ceil(count / 1024) }, (_, page) => `0.${page}`));
  });

  test('three levels: only the pages on the way are asked for', () => {
    const count = 1024 * 1024 + 1;
    const pages = open(count);
    const chunks = chunksOf(count);
    for (const number of [0, 5, 1023, 1024, 1024 * 1024 - 1, 1024 * 1024]) {
      expect(pages.find(number).frameSize).toBe(chunks[number]!.frameSize);
      expect(Buffer.compare(pages.find(number).id, chunks[number]!.id)).toBe(0);
    }
    expect(pages.fetched).toEqual(['1.0', '0.0', '0.1', '0.1023', '1.1', '0.1024']);
    expect(pages.reader.pagesSize).toBe(count * 36 + 1025 * 40);
  });

  test('pages beyond the budget are forgotten, the least recently used first', () => {
    const pages = open(5 * 1024, 2);
    for (const number of [0, 1024, 1, 2048, 0, 1024]) pages.find(number);
    expect(pages.fetched).toEqual(['0.0', '0.1', '0.2', '0.1']);
  });
});

describe('refusing', () => {
  test('a page that is not the page', () => {
    const count = 1025;
    const index = buildIndex(chunksOf(count));
    const reader = new IndexReader(geometryOf(count, index), index.rootPage);
    const place = reader.find(1024);
    if (!isPagePlace(place)) throw new Error('a page was expected');
    expect(place).toMatchObject({ level: 0, number: 1, size: 36, offset: HEAD + index.positions.at(-1)! + 8 + 1024 * 36 });
    const good = index.pages.subarray(1024 * 36, 1025 * 36);
    for (const bad of [good.subarray(1), Buffer.concat([good, Buffer.alloc(1)]), index.pages.subarray(0, 36), Buffer.alloc(36)]) {
      expect(() => { reader.accept(place, bad); }).toThrow(code('INDEX_DIGEST_MISMATCH'));
    }
    for (let bit = 0; bit < good.length * 8; bit++) {
      const bad = Buffer.from(good);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => { reader.accept(place, bad); }).toThrow(code('INDEX_DIGEST_MISMATCH'));
    }
    expect(isPagePlace(reader.find(1024))).toBe(true);
    reader.accept(place, good);
    expect(isPagePlace(reader.find(1024))).toBe(false);
  });

  test.each([0, 70_001, 0xffffffff])('a frame of %d bytes', (frameSize) => {
    const index = buildIndex([{ frameSize, id: Buffer.alloc(32) }, { frameSize: 10, id: Buffer.alloc(32) }]);
    expect(() => new IndexReader(geometryOf(2, index), index.rootPage)).toThrow(code('LIMIT_EXCEEDED'));
  });

  test('a page of pages whose sizes cannot be', () => {
    const index = buildIndex(chunksOf(1025));
    const root = (at: number, value: bigint): Buffer => {
      const bytes = Buffer.from(index.rootPage);
      bytes.writeBigUInt64LE(value, at);
      return bytes;
    };
    const geometry = geometryOf(1025, index);
    expect(() => new IndexReader(geometry, root(0, 0n))).toThrow(code('LIMIT_EXCEEDED'));
    expect(() => new IndexReader(geometry, root(0, 70_000n * 1024n + 1n))).toThrow(code('LIMIT_EXCEEDED'));
    expect(() => new IndexReader(geometry, root(0, 0xffffffffffffffffn))).toThrow(code('LIMIT_EXCEEDED'));
    expect(() => new IndexReader(geometry, root(0, 5n))).toThrow(code('STRUCTURE_INVALID'));
  });

  test('frames that do not fill the room between head and index', () => {
    const index = buildIndex(chunksOf(10));
    const geometry = geometryOf(10, index);
    for (const change of [-1, 1]) {
      expect(() => new IndexReader({ ...geometry, indexOffset: geometry.indexOffset + change }, index.rootPage)).toThrow(code('STRUCTURE_INVALID'));
    }
  });

  test('a signed page whose sum is not what its parent says', () => {
    const index = buildIndex(chunksOf(1025));
    const root = Buffer.from(index.rootPage);
    root.writeBigUInt64LE(root.readBigUInt64LE(0) - 1n, 0);
    root.writeBigUInt64LE(root.readBigUInt64LE(40) + 1n, 40);
    const reader = new IndexReader(geometryOf(1025, index), root);
    const place = reader.find(0);
    if (!isPagePlace(place)) throw new Error('a page was expected');
    expect(() => { reader.accept(place, index.pages.subarray(0, place.size)); }).toThrow(code('STRUCTURE_INVALID'));
  });

  test('a root page of another length', () => {
    const index = buildIndex(chunksOf(10));
    for (const root of [index.rootPage.subarray(0, 359), Buffer.concat([index.rootPage, Buffer.alloc(36)]), new Uint8Array(0)]) {
      expect(() => new IndexReader(geometryOf(10, index), root)).toThrow(code('STRUCTURE_INVALID'));
    }
  });
});
