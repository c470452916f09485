import { describe, expect, test } from '@jest/globals';
import { encodeHead, decodeHead, headSizeFor, rootPageSize, type Head } from '../../../src/chunk/head.js';
import { CHUNK_COUNT_MAX, chunkEntry, HEAD_MAX_SIZE, HEAD_SPARE_SIZE, headHeader, INDEX_PAGE_ENTRIES, pageEntry } from '../../../src/format/container.js';
import { MANIFEST_MAX_SIZE } from '../../../src/format/manifest.js';

const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte);
const head: Head = {
  manifest: filled(301, 1), rootPage: filled(72, 2), signatures: filled(99, 3), pkcs7: filled(395, 4), headSize: 12288, indexOffset: 99_999,
};

function patched(at: number, value: number, width: 1 | 4 = 4): Uint8Array {
  const bytes = encodeHead(head);
  const view = new DataView(bytes.buffer);
  if (width === 4) view.setUint32(at, value, true); else view.setUint8(at, value);
  return bytes;
}

const refused = (bytes: Uint8Array, code: string): void => { expect(() => decodeHead(bytes)).toThrow(expect.objectContaining({ code })); };

describe('head', () => {
  test('comes back as it was, also from a longer read', () => {
    const bytes = encodeHead(head);
    expect(bytes.length).toBe(12288);
    expect(decodeHead(bytes)).toEqual(head);
    expect(decodeHead(Buffer.concat([bytes, filled(5000, 9)]))).toEqual(head);
  });

  test('absent sections are absent again', () => {
    const { signatures, pkcs7, ...plain } = head;
    expect(signatures?.length).toBe(99);
    expect(decodeHead(encodeHead({ ...plain, ...(pkcs7 && { pkcs7 }) }))).toEqual({ ...plain, pkcs7 });
    expect(decodeHead(encodeHead(plain))).toEqual(plain);
    expect(decodeHead(encodeHead({ ...plain, signatures: new Uint8Array(0) }))).toEqual(plain);
  });

  test('a further signature moves nothing but what follows it', () => {
    const { headSize, indexOffset } = decodeHead(encodeHead({ ...decodeHead(encodeHead(head)), signatures: filled(4000, 5) }));
    expect({ headSize, indexOffset }).toEqual({ headSize: head.headSize, indexOffset: head.indexOffset });
  });

  test('signature sections may lie at the end, and what lies around them does not matter', () => {
    const back = encodeHead(head, 'back');
    expect(decodeHead(back)).toEqual(head);
    expect(headHeader.decode(back)).toMatchObject({ signaturesOffset: 12288 - 400 - 104, pkcs7Offset: 12288 - 400 });
    const front = encodeHead(head);
    expect(decodeHead(Buffer.concat([back.subarray(0, headHeader.size), front.subarray(headHeader.size, 6000), back.subarray(6000)]))).toEqual(head);
    expect(decodeHead(Buffer.concat([front.subarray(0, 6000), back.subarray(6000)]))).toEqual(head);
  });

  test('a head that is full says so', () => {
    expect(() => encodeHead({ ...head, signatures: filled(12_000, 5) })).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  test.each([
    ['frame magic', patched(0, 0x184d2a55), 'BAD_MAGIC'],
    ['magic', patched(8, 0), 'BAD_MAGIC'],
    ['version', patched(16, 2), 'VERSION_UNSUPPORTED'],
    ['frame size', patched(4, 12288), 'BAD_FIELD'],
    ['head size not a multiple', patched(20, 12289), 'BAD_FIELD'],
    ['head size zero', patched(20, 0), 'BAD_FIELD'],
    ['head size beyond the limit', patched(20, HEAD_MAX_SIZE + 4096), 'LIMIT_EXCEEDED'],
    ['manifest over the header', patched(24, 8), 'BAD_FIELD'],
    ['manifest too large', patched(28, MANIFEST_MAX_SIZE + 1), 'BAD_FIELD'],
    ['manifest absent', patched(28, 0), 'BAD_FIELD'],
    ['root page over the manifest', patched(32, 64), 'BAD_FIELD'],
    ['signatures outside', patched(44, 0xffffffff), 'BAD_FIELD'],
    ['offset without size', patched(52, 0), 'BAD_FIELD'],
    ['index inside the head', patched(56, 12288), 'BAD_FIELD'],
    ['index beyond 2^53', patched(60, 0x00200000), 'LIMIT_EXCEEDED'],
    ['a byte between sections', patched(374, 1, 1), 'BAD_FIELD'],
    ['signatures over the root page', patched(40, 440), 'BAD_FIELD'],
    ['signatures not aligned', patched(40, 449), 'BAD_FIELD'],
    ['PKCS#7 over the signatures', patched(48, 448), 'BAD_FIELD'],
    ['a flipped bit in a signature', patched(450, 0x80, 1), 'CHECKSUM_MISMATCH'],
    ['a flipped bit in the checksum', patched(64, 1, 1), 'CHECKSUM_MISMATCH'],
  ])('refuses %s', (_, bytes, code) => refused(bytes, code));

  test('truncated anywhere is a typed error', () => {
    const bytes = encodeHead(head);
    for (let size = 0; size < bytes.length; size += size < 100 ? 1 : 97) refused(bytes.subarray(0, size), 'TRUNCATED');
  });
});

describe('head size', () => {
  test('holds the manifest, the root page and spare room', () => {
    for (const chunkCount of [1, 2, 1023, 1024, 1025, 1024 * 1024, 1024 * 1024 + 1, 327_680]) {
      const size = headSizeFor(chunkCount, 1000);
      expect(size % 4096).toBe(0);
      expect(size).toBeGreaterThanOrEqual(headHeader.size + 1000 + rootPageSize(chunkCount) + HEAD_SPARE_SIZE);
      expect(size).toBeLessThan(headHeader.size + 1000 + rootPageSize(chunkCount) + HEAD_SPARE_SIZE + 4096 + 16);
    }
  });

  test('never exceeds one closed range, even with the largest manifest and root page', () => {
    const most = headSizeFor(INDEX_PAGE_ENTRIES * INDEX_PAGE_ENTRIES);
    expect(most).toBe(HEAD_MAX_SIZE);
    expect(headHeader.size + MANIFEST_MAX_SIZE + INDEX_PAGE_ENTRIES * pageEntry.size).toBeLessThan(HEAD_MAX_SIZE - 8000);
  });

  test('refuses more chunks than the index frame can hold', () => {
    const pages = Math.ceil(CHUNK_COUNT_MAX / INDEX_PAGE_ENTRIES);
    expect(CHUNK_COUNT_MAX * chunkEntry.size + (pages + Math.ceil(pages / INDEX_PAGE_ENTRIES)) * pageEntry.size).toBeLessThan(2 ** 32);
    expect(headSizeFor(CHUNK_COUNT_MAX)).toBeLessThanOrEqual(HEAD_MAX_SIZE);
    expect(() => headSizeFor(CHUNK_COUNT_MAX + 1)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  test('the root page lists chunks, or pages', () => {
    expect(rootPageSize(1)).toBe(chunkEntry.size);
    expect(rootPageSize(1024)).toBe(1024 * chunkEntry.size);
    expect(rootPageSize(1025)).toBe(2 * pageEntry.size);
    expect(rootPageSize(1024 * 1024)).toBe(1024 * pageEntry.size);
    expect(rootPageSize(1024 * 1024 + 1)).toBe(2 * pageEntry.size);
  });
});
