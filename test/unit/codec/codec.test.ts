import { describe, expect, test } from '@jest/globals';
import type { Codec } from '../../../src/codec/codec.js';
import { codecName, loadCodec, openCodec } from '../../../src/codec/registry.js';
import { codecsHere, compressible } from '../../helpers/codecs.js';

function frameOf(codec: Codec, raw: Uint8Array, level = 3): Uint8Array {
  const target = new Uint8Array(codec.bound(raw.length));
  return target.slice(0, codec.compress(raw, target, level));
}

function rawOf(codec: Codec, frame: Uint8Array, size: number): Uint8Array {
  const target = new Uint8Array(size);
  codec.decompress(frame, target);
  return target;
}

const here = codecsHere();
const zeros = new Uint8Array(65536);
const incompressible = Uint8Array.from({ length: 70_000 }, (_, i) => Math.imul(i + 1, 2654435761) >>> 13 ^ Math.imul(i, i) >>> 3);

describe.each(here)('%s', (_, codec) => {
  test.each([
    ['16 KiB', compressible(16384)], ['64 KiB', compressible(65536)], ['1 MiB', compressible(1 << 20)], ['one block', compressible(4096)],
    ['zeros', zeros], ['data that does not compress', incompressible],
  ])('%s come back', (__, raw) => {
    const frame = frameOf(codec, raw);
    expect(Buffer.compare(rawOf(codec, frame, raw.length), raw)).toBe(0);
    expect(frame.length).toBeLessThanOrEqual(codec.bound(raw.length));
  });

  test.each([1, 3, 9, 19])('level %d', (level) => {
    const raw = compressible(131072);
    expect(Buffer.compare(rawOf(codec, frameOf(codec, raw, level), raw.length), raw)).toBe(0);
  });

  test('the frame states its content size and carries neither checksum nor dictionary', () => {
    const frame = frameOf(codec, compressible(65536));
    // Magic; descriptor 0x60: two-byte content size, single segment; 65536 - 256.
    expect(Buffer.from(frame.subarray(0, 7)).toString('hex')).toBe('28b52ffd6000ff');
  });

  test('the same bytes at every call, whatever came between', () => {
    const raw = compressible(65536);
    const first = frameOf(codec, raw);
    frameOf(codec, compressible(30_000, 7), 9);
    expect(Buffer.compare(frameOf(codec, raw), first)).toBe(0);
  });

  test('shared memory', () => {
    const memory = new SharedArrayBuffer(200_000);
    const raw = new Uint8Array(memory, 100, 65536);
    raw.set(compressible(65536));
    const target = new Uint8Array(memory, 70_001, codec.bound(65536));
    const size = codec.compress(raw, target, 3);
    expect(Buffer.compare(rawOf(codec, target.subarray(0, size), 65536), compressible(65536))).toBe(0);
  });

  test.each(here)('frames of %s are read', (__, other) => {
    const raw = compressible(65536, 3);
    expect(Buffer.compare(rawOf(codec, frameOf(other, raw), raw.length), raw)).toBe(0);
  });

  test('another size than the frame has is refused', () => {
    const frame = frameOf(codec, compressible(65536));
    for (const size of [0, 65535, 65537]) expect(() => rawOf(codec, frame, size)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('two frames are not one', () => {
    const frame = frameOf(codec, compressible(4096));
    expect(() => rawOf(codec, Buffer.concat([frame, frame]), 4096)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('damage inside the blocks is an error or other bytes, and the next call works', () => {
    const raw = compressible(65536);
    const frame = frameOf(codec, raw);
    for (let at = 0; at < frame.length; at += 37) {
      const damaged = frame.slice();
      damaged[at]! ^= 0x10;
      try {
        rawOf(codec, damaged, raw.length);
      } catch (error) {
        expect((error as { code: string }).code).toMatch(/^(BAD_MAGIC|BAD_FIELD|TRUNCATED)$/);
      }
    }
    expect(Buffer.compare(rawOf(codec, frame, raw.length), raw)).toBe(0);
  });

  test('a target that is too small is refused', () => {
    expect(() => codec.compress(incompressible, new Uint8Array(1000), 3)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });
});

describe('registry', () => {
  test('opens the first that is there', () => {
    expect(openCodec().implementation).toBe(here.find(([name]) => name === codecName)![1].implementation);
    expect(openCodec()).toBe(openCodec());
  });

  test('knows its names', () => {
    expect(() => loadCodec('lzma' as 'wasm')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});

test('WebAssembly refuses what its heap cannot hold, before it breaks', () => {
  const codec = loadCodec('wasm');
  const raw = compressible(1 << 20);
  expect(() => frameOf(codec, raw, 12)).toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }));
  expect(Buffer.compare(rawOf(codec, frameOf(codec, raw, 9), raw.length), raw)).toBe(0);
});
