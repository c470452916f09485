/** Whole zstd files through every implementation: what is not one ends in a typed error, in bounded memory. */
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { zstdCompress, skippable } from '../../helpers/zstd-file.js';
import { describe, expect, test } from '@jest/globals';
import { createZstdDecompress } from '../../../src/codec/stream.js';
import { codecsHere, compressible } from '../../helpers/codecs.js';

const here = codecsHere();
const raw = compressible(300_000);
const frame = zstdCompress(raw);
const small = zstdCompress(Buffer.from('hello'));
const multiple = Buffer.concat([skippable(4), frame, skippable(0), small, skippable(100)]);
const content = Buffer.concat([raw, Buffer.from('hello')]);

async function decompress(name: (typeof here)[number][0], parts: Iterable<Uint8Array>): Promise<Buffer> {
  const out: Uint8Array[] = [];
  await pipeline(Readable.from(parts), createZstdDecompress(name), async (decoded: AsyncIterable<Uint8Array>) => {
    for await (const bytes of decoded) out.push(bytes);
  });
  return Buffer.concat(out);
}

describe.each(here)('%s', (name) => {
  test('several frames and skippable ones', async () => {
    expect(Buffer.compare(await decompress(name, [multiple]), content)).toBe(0);
  });

  test('byte by byte', async () => {
    const bytes = [...multiple].map((byte) => Uint8Array.of(byte));
    expect(Buffer.compare(await decompress(name, bytes), content)).toBe(0);
  });

  test('cut short anywhere but between frames: TRUNCATED', async () => {
    const ends = new Set([12, 12 + frame.length, 20 + frame.length, 20 + frame.length + small.length]);
    for (let size = 0; size < multiple.length; size += size < 40 || size > frame.length ? 1 : 4999) {
      if (size > 12 && ends.has(size)) continue;
      await expect(decompress(name, [multiple.subarray(0, size)])).rejects.toMatchObject({ code: 'TRUNCATED' });
    }
  });

  test.each([
    ['text', [Buffer.from('hello world')], 'BAD_MAGIC'],
    ['something behind the frames', [frame, Buffer.from('tail')], 'BAD_MAGIC'],
    ['a window of 256 MiB', [Buffer.from('28b52ffd0090', 'hex')], 'LIMIT_EXCEEDED'],
    ['a dictionary', [Buffer.from('28b52ffd210103', 'hex')], 'FEATURE_UNSUPPORTED'],
    ['a reserved block type', [Buffer.from('28b52ffd20031f0000616263', 'hex')], 'BAD_FIELD'],
    ['a damaged block', [frame.subarray(0, 20), Buffer.alloc(frame.length - 20, 0xff)], 'BAD_FIELD'],
  ])('%s', async (_, parts, code) => {
    await expect(decompress(name, parts)).rejects.toMatchObject({ code });
  });

  test('a source that fails passes its own error on', async () => {
    const failing = (function* (): Generator<Uint8Array> {
      yield frame.subarray(0, 100);
      throw new Error('cable cut');
    })();
    await expect(decompress(name, failing)).rejects.toThrow('cable cut');
  });

  test('a bomb is held back by its reader', async () => {
    // 16,000 run-length blocks of 128 KiB: 64 KB that decode to 2 GB.
    const block = Buffer.from('020010' + '00', 'hex');
    const bomb = Buffer.concat([Buffer.from('28b52ffd0038', 'hex'), ...Array.from({ length: 16_000 }, () => block)]);
    const before = process.memoryUsage.rss();
    let seen = 0;
    await expect(pipeline(Readable.from([bomb]), createZstdDecompress(name), async (decoded: AsyncIterable<Uint8Array>) => {
      for await (const bytes of decoded) {
        seen += bytes.length;
        if (seen > 20_000_000) throw new Error('enough');
      }
    })).rejects.toThrow(/enough|aborted/);
    expect(seen).toBeLessThan(25_000_000);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200_000_000);
  });
});
