import { describe, expect, test } from '@jest/globals';
import { checkChunkFrame, decodeFrameHeader } from '../../../src/codec/frame.js';
import { openCodec } from '../../../src/codec/registry.js';
import { compressible } from '../../helpers/codecs.js';

const bytes = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(' ', ''), 'hex');

/** Headers written by hand from RFC 8878 section 3.1.1.1. */
describe('frame header', () => {
  test.each([
    ['one-byte size, single segment', '28b52ffd 20 07', { headerSize: 6, contentSize: 7, windowSize: 7, checksum: false, dictionary: false, unusedBit: false }],
    ['two-byte size starts at 256', '28b52ffd 60 0000', { headerSize: 7, contentSize: 256, windowSize: 256, checksum: false, dictionary: false, unusedBit: false }],
    ['four-byte size', '28b52ffd a0 00001000', { headerSize: 9, contentSize: 1 << 20, windowSize: 1 << 20, checksum: false, dictionary: false, unusedBit: false }],
    ['eight-byte size', '28b52ffd e4 0000000001000000', { headerSize: 13, contentSize: 2 ** 32, windowSize: 2 ** 32, checksum: true, dictionary: false, unusedBit: false }],
    ['no size, window 1 KiB', '28b52ffd 00 00', { headerSize: 6, windowSize: 1024, checksum: false, dictionary: false, unusedBit: false }],
    ['window with mantissa', '28b52ffd 04 59', { headerSize: 6, windowSize: 2 ** 21 + 2 ** 18, checksum: true, dictionary: false, unusedBit: false }],
    ['window, two-byte dictionary, two-byte size', '28b52ffd 42 58 1234 0100', { headerSize: 10, contentSize: 257, windowSize: 2 ** 21, checksum: false, dictionary: true, unusedBit: false }],
  ])('%s', (_, hex, expected) => {
    const header = bytes(hex);
    expect(decodeFrameHeader(header)).toEqual(expected);
    for (let size = 0; size < header.length; size++) expect(decodeFrameHeader(header.subarray(0, size))).toBeUndefined();
  });

  test('reserved bit and other magic', () => {
    expect(() => decodeFrameHeader(bytes('28b52ffd 28 07'))).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    expect(() => decodeFrameHeader(bytes('504b0304'))).toThrow(expect.objectContaining({ code: 'BAD_MAGIC' }));
  });
});

describe('chunk frame', () => {
  // One raw block of three bytes: header 0x000019 = size 3, raw, last.
  test.each([
    ['a frame', '28b52ffd 20 03 190000 616263', undefined],
    ['two blocks, the second run-length', '28b52ffd 20 03 080000 61 130000 62', undefined],
    ['another size', '28b52ffd 20 04 190000 616263', 'BAD_FIELD'],
    ['no size', '28b52ffd 00 00 190000 616263', 'BAD_FIELD'],
    ['a checksum', '28b52ffd 24 03 190000 616263 00000000', 'BAD_FIELD'],
    ['a dictionary', '28b52ffd 21 01 03 190000 616263', 'BAD_FIELD'],
    ['the unused bit', '28b52ffd 30 03 190000 616263', 'BAD_FIELD'],
    ['a window of 2 MiB', '28b52ffd 40 58 0300 190000 616263', 'BAD_FIELD'],
    ['the reserved block type', '28b52ffd 20 03 1f0000 616263', 'BAD_FIELD'],
    ['a byte too many', '28b52ffd 20 03 190000 61626300', 'BAD_FIELD'],
    ['a byte too few', '28b52ffd 20 03 190000 6162', 'TRUNCATED'],
    ['no last block', '28b52ffd 20 03 180000 616263', 'TRUNCATED'],
    ['a skippable frame', '502a4d18 04000000 00000000', 'BAD_MAGIC'],
    ['nothing', '', 'TRUNCATED'],
  ])('%s', (_, hex, code) => {
    const check = (): void => { checkChunkFrame(bytes(hex), hex.includes('40 58') ? 259 : 3); };
    if (code === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(expect.objectContaining({ code }));
  });

  test('truncated anywhere is TRUNCATED', () => {
    const codec = openCodec();
    const raw = compressible(300_000);
    const target = new Uint8Array(codec.bound(raw.length));
    const frame = target.subarray(0, codec.compress(raw, target, 3));
    checkChunkFrame(frame, raw.length);
    for (let size = 0; size < frame.length; size += 1 + (size >> 6)) {
      expect(() => { checkChunkFrame(frame.subarray(0, size), raw.length); }).toThrow(expect.objectContaining({ code: 'TRUNCATED' }));
    }
  });
});
