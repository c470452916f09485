/** Index, seek table and frames against second writers that follow the format's text. */
import { describe, expect, test } from '@jest/globals';
import { FrameWriter } from '../../../src/chunk/frame-writer.js';
import { IndexWriter } from '../../../src/chunk/index-writer.js';
import { seekTableFrame, tailParts } from '../../../src/chunk/tail.js';
import { openCodec } from '../../../src/codec/registry.js';
import { hashLeaves, sha256 } from '../../../src/hash/sha256.js';
import { buildIndex } from '../../helpers/index-pages.js';

const chunksOf = (count: number): { frameSize: number; id: Uint8Array }[] => Array.from({ length: count }, (_, i) => ({ frameSize: 1 + i * 7 % 65000, id: sha256(Buffer.from(String(i))) }));

describe('index', () => {
  test.each([1, 2, 1023, 1024, 1025, 2048, 2049, 5000])('%d chunks', (count) => {
    const chunks = chunksOf(count);
    const writer = new IndexWriter();
    for (const { frameSize, id } of chunks) writer.add(frameSize, Buffer.concat([Buffer.alloc(5), id]), 5);
    const expected = buildIndex(chunks);
    const { pages, rootPage, rootDigest } = writer.finish();
    expect(Buffer.compare(rootPage, expected.rootPage)).toBe(0);
    expect(Buffer.compare(Buffer.concat(pages), expected.pages)).toBe(0);
    expect(Buffer.compare(rootDigest, sha256(expected.rootPage))).toBe(0);
    expect([...writer.frameSizes()]).toEqual(chunks.map(({ frameSize }) => frameSize));
    expect(writer.chunkCount).toBe(count);
  });
});

test('tail: the pages in a skippable frame, and the seek table behind it', () => {
  const [facts, pages] = [{ headSize: 4096, frameSizes: [17], rawSize: 4096, chunkSize: 65536 }, [Uint8Array.of(1, 2), Uint8Array.of(3)]];
  expect(Buffer.concat(tailParts(pages, facts)).toString('hex')).toBe(`552a4d1803000000010203${Buffer.from(seekTableFrame({ ...facts, indexSize: 11 })).toString('hex')}`);
});

/** Bytes by hand from the zstd seekable format 0.1.0: header, an entry per frame, footer. */
test('seek table', () => {
  const frame = seekTableFrame({ headSize: 4096, frameSizes: [17, 300], rawSize: 65536 + 8192, chunkSize: 65536, indexSize: 8 });
  expect(Buffer.from(frame).toString('hex')).toBe([
    '5e2a4d18', '29000000', // 4 entries of 8 bytes, footer of 9
    '00100000', '00000000', '11000000', '00000100', '2c010000', '00200000', '08000000', '00000000',
    '04000000', '00', 'b1ea928f',
  ].join(''));
});

describe('frames', () => {
  test('runs of zeros are the same as zeros that were compressed, whatever the run', () => {
    const [codec, salt, chunkSize] = [openCodec(), Uint8Array.of(9), 65536];
    for (const size of [4096, 65536, 3 * 65536 + 8192, 3000 * 65536]) {
      const written: Buffer[] = [];
      let end = 100;
      const writer = new FrameWriter({ codec, salt, chunkSize, level: 3, offset: end, write: (bytes, position) => {
        expect(position).toBe(end);
        end += bytes.length;
        written.push(Buffer.from(bytes));
      } });
      writer.addZeros(size);
      expect(writer.end).toBe(end);
      const expected = new IndexWriter();
      const frames: Buffer[] = [];
      for (let at = 0; at < size; at += chunkSize) {
        const raw = new Uint8Array(Math.min(chunkSize, size - at));
        const frame = Buffer.alloc(codec.bound(raw.length));
        frames.push(frame.subarray(0, codec.compress(raw, frame, 3)));
        const leaves = new Uint8Array(raw.length / 128);
        hashLeaves(raw, salt, leaves);
        expected.add(frames.at(-1)!.length, sha256(leaves), 0);
      }
      expect(Buffer.compare(Buffer.concat(written), Buffer.concat(frames))).toBe(0);
      expect(Buffer.compare(writer.index.finish().rootDigest, expected.finish().rootDigest)).toBe(0);
    }
  });
});
