/** Whatever is read, in whatever order, with whatever cache: the bytes of the raw image. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openImageFrom } from '../../../src/image/open.js';
import { MemorySource } from '../../../src/source/memory.js';
import type { RangeSource } from '../../../src/source/range-source.js';
import { buildTinyImage } from '../../helpers/tiny-image.js';

const { file, raw } = buildTinyImage(100);

/** Answers late and out of order. */
class DelayedSource implements RangeSource {
  readonly location = 'delayed';
  readonly size = file.length;
  readonly identity = undefined;

  constructor(private readonly delays: readonly number[], private count = 0) {}

  async read(offset: number, length: number): Promise<Uint8Array> {
    for (let turns = this.delays[this.count++ % this.delays.length]!; turns > 0; turns--) await new Promise((resolve) => { setImmediate(resolve); });
    return new Uint8Array(file.subarray(offset, offset + length));
  }

  close(): Promise<void> { return Promise.resolve(); }
}

const span = fc.tuple(fc.nat(raw.length), fc.nat(60_000)).map(([offset, length]) => ({ offset, length: Math.min(length, raw.length - offset) }));
const access = fc.record({ way: fc.constantFrom('read', 'chunks', 'run', 'prefetch'), span });

describe('reading', () => {
  test('gives the raw image', async () => {
    await fc.assert(fc.asyncProperty(fc.array(access, { minLength: 1, maxLength: 12 }), fc.nat(200_000), fc.array(fc.nat(4), { minLength: 1, maxLength: 5 }), fc.boolean(),
      async (accesses, cacheBytes, delays, local) => {
        const source = local ? new MemorySource(file) : new DelayedSource(delays);
        const image = await openImageFrom({ source, opening: file.subarray(0, 65536) }, { trust: { keys: [], allowUnsigned: true, now: 0 }, cacheBytes });
        await Promise.all(accesses.map(async ({ way, span: { offset, length } }) => {
          const expected = raw.subarray(offset, offset + length);
          if (way === 'read') expect(Buffer.compare(await image.read(offset, length), expected)).toBe(0);
          if (way === 'prefetch') await image.prefetch([{ offset, length }]);
          if (way === 'run') {
            const halves = await image.run((view) => [view.read(offset, length >> 1), view.read(offset + (length >> 1), length - (length >> 1))]);
            expect(Buffer.compare(Buffer.concat(halves), expected)).toBe(0);
          }
          if (way === 'chunks') {
            const parts = [];
            for await (const { bytes } of image.chunks(offset, offset + length)) parts.push(bytes);
            expect(Buffer.compare(Buffer.concat(parts), expected)).toBe(0);
          }
        }));
      }), { numRuns: 200 });
  });
});
