import { describe, expect, test } from '@jest/globals';
import { ChunkDecoder } from '../../../src/chunk/chunk-decoder.js';
import { DecodedChunk } from '../../../src/chunk/decoded-chunk.js';
import type { ChunkPlace } from '../../../src/chunk/index-reader.js';
import { openCodec } from '../../../src/codec/registry.js';
import { hashLeaves, sha256 } from '../../../src/hash/sha256.js';

const SIZE = 16384;
const salt = Buffer.from('5a17', 'hex');
const chunk = Uint8Array.from({ length: SIZE }, (_, i) => Math.imul(i, 2654435761) >>> 20);

function pack(bytes: Uint8Array): { frame: Uint8Array; place: ChunkPlace } {
  const codec = openCodec();
  const target = new Uint8Array(codec.bound(bytes.length));
  const frame = target.subarray(0, codec.compress(bytes, target, 3));
  const leaves = new Uint8Array(bytes.length / 4096 * 32);
  hashLeaves(bytes, salt, leaves);
  return { frame, place: { number: 3, size: bytes.length, frameOffset: 1000, frameSize: frame.length, id: sha256(leaves) } };
}

const decoder = new ChunkDecoder(openCodec(), SIZE, salt);
const mismatch: unknown = expect.objectContaining({
  code: 'CHUNK_DIGEST_MISMATCH', detail: expect.objectContaining({ chunk: 3, offset: 3 * SIZE, length: SIZE, frameOffset: 1000 }) as unknown,
});

describe('decoding a chunk', () => {
  test('a whole one and a short last one', () => {
    for (const bytes of [chunk, chunk.subarray(0, 4096), new Uint8Array(SIZE)]) {
      const { frame, place } = pack(bytes);
      expect(Buffer.compare(decoder.decode(place, frame), bytes)).toBe(0);
    }
  });

  test('each result is the caller\'s own', () => {
    const { frame, place } = pack(chunk);
    const first = decoder.decode(place, frame);
    decoder.decode(place, frame).fill(0);
    expect(Buffer.compare(first, chunk)).toBe(0);
  });

  test('another chunk, of the same or of another length', () => {
    const { place } = pack(chunk);
    const other = Uint8Array.from(chunk);
    other[9000]! ^= 1;
    for (const bytes of [other, chunk.subarray(0, 4096), new Uint8Array(2 * SIZE), new Uint8Array(SIZE)]) {
      expect(() => decoder.decode(place, pack(bytes).frame)).toThrow(mismatch);
    }
  });

  test('the same chunk under another salt', () => {
    const { frame, place } = pack(chunk);
    expect(() => new ChunkDecoder(openCodec(), SIZE, new Uint8Array(0)).decode(place, frame)).toThrow(mismatch);
  });

  test('frames cut, lengthened, doubled, or no frames at all', () => {
    const { frame, place } = pack(chunk);
    const bad: Uint8Array[] = [new Uint8Array(0), Buffer.concat([frame, frame]), Buffer.concat([frame, Buffer.alloc(1)]), Buffer.alloc(frame.length), Buffer.from('not zstd')];
    for (let length = 1; length < frame.length; length += 97) bad.push(frame.subarray(0, length));
    for (const bytes of bad) expect(() => decoder.decode(place, bytes)).toThrow(mismatch);
  });
});

describe('decoding into memory that is used again', () => {
  const leavesOf = (bytes: Uint8Array): Uint8Array => {
    const leaves = new Uint8Array(bytes.length / 4096 * 32);
    hashLeaves(bytes, salt, leaves);
    return leaves;
  };
  const damaged = Uint8Array.from(chunk);
  damaged[9000]! ^= 1; // in block 2

  test('with the leaves, blocks are checked when they are looked at', () => {
    const { place } = pack(chunk);
    const target = new DecodedChunk(SIZE, salt);
    decoder.decodeInto(place, pack(damaged).frame, target, leavesOf(chunk));
    for (const [from, to] of [[0, 4096], [4000, 8192], [12288, SIZE], [12300, 12301]] as const) expect(Buffer.compare(target.view(from, to)!, chunk.subarray(from, to))).toBe(0);
    for (const [from, to] of [[8192, 12288], [0, SIZE], [8191, 8193], [12000, 12400]] as const) expect(target.view(from, to)).toBeUndefined();
    expect(Buffer.compare(target.view(0, 8192)!, chunk.subarray(0, 8192))).toBe(0);
  });

  test('without them, or with others, all of it is checked at once', () => {
    const { place, frame } = pack(chunk);
    const target = new DecodedChunk(SIZE, salt);
    for (const leaves of [undefined, leavesOf(damaged), new Uint8Array(0), new Uint8Array(SIZE / 128)]) {
      expect(() => { decoder.decodeInto(place, pack(damaged).frame, target, leaves); }).toThrow(mismatch);
      decoder.decodeInto(place, frame, target, leaves);
      expect(Buffer.compare(target.view(0, SIZE)!, chunk)).toBe(0);
    }
  });

  test('what was proven of one chunk says nothing of the next', () => {
    const target = new DecodedChunk(SIZE, salt);
    const { place, frame } = pack(chunk);
    decoder.decodeInto(place, frame, target);
    decoder.decodeInto(place, pack(damaged).frame, target, leavesOf(chunk));
    expect(target.view(8192, 12288)).toBeUndefined();
    // A frame that is none leaves nothing to look at.
    expect(() => { decoder.decodeInto(place, frame.subarray(1), target, leavesOf(chunk)); }).toThrow(mismatch);
    expect(target.view(0, 4096)).toBeUndefined();
  });
});
