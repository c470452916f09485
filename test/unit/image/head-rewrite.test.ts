import { describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead, type Head } from '../../../src/chunk/head.js';
import { headHeader } from '../../../src/format/container.js';
import { planHeadRewrite, type SignatureSections } from '../../../src/image/head-rewrite.js';
import { sampleHead } from '../../helpers/sample-image.js';

const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte);
const unsigned = sampleHead();
const signed: Head = { ...unsigned, signatures: filled(300, 1), pkcs7: filled(500, 2) };
const more = filled(517, 3);

const rewrites: [string, Head, SignatureSections][] = [
  ['the first signature', unsigned, { signatures: filled(300, 1) }],
  ['a further signature', { ...unsigned, signatures: filled(300, 1) }, { signatures: more }],
  ['the first PKCS#7', { ...unsigned, signatures: filled(300, 1) }, { pkcs7: filled(500, 2) }],
  ['PKCS#7 without signatures', unsigned, { pkcs7: filled(500, 2) }],
  ['a signature in front of PKCS#7', signed, { signatures: more }],
  ['both', signed, { signatures: more, pkcs7: filled(777, 4) }],
  ['a smaller PKCS#7', signed, { pkcs7: filled(33, 4) }],
];

function apply(bytes: Uint8Array, { offset, bytes: part }: { offset: number; bytes: Uint8Array }, keep: (at: number) => boolean = () => true): Uint8Array {
  const result = bytes.slice();
  part.forEach((byte, i) => { if (keep(i)) result[offset + i] = byte; });
  return result;
}

/** Of 12 KiB each: `toEqual` would take most of the time. */
function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(Buffer.compare(actual, expected)).toBe(0);
}

describe.each(rewrites)('%s', (_, old, sections) => {
  const wanted = { ...old, ...sections };
  const plan = planHeadRewrite(encodeHead(old), sections);

  test('ends in the very bytes of a head made that way', () => {
    expectBytes(plan.reduce((bytes, write) => apply(bytes, write), encodeHead(old)), encodeHead(wanted));
  });

  /** What a kill or a power cut leaves of the write under way. The header is one sector: whole or not. */
  const cuts: [string, (write: { offset: number; bytes: Uint8Array }) => (at: number) => boolean][] = [
    ['nothing of it', () => () => false],
    ['its first half', ({ bytes }) => (at) => at < bytes.length / 2],
    ['its second half', ({ bytes }) => (at) => at >= bytes.length / 2],
    ['every other sector', ({ offset }) => (at) => Math.floor((offset + at) / 512) % 2 === 0],
  ];

  test.each(cuts)('cut in any write, with %s on disk: readable, the old or the new, and the next run finishes it', (_name, cut) => {
    let bytes = encodeHead(old);
    for (const write of plan) {
      const isHeader = write.offset === 0;
      const torn = apply(bytes, write, isHeader ? () => false : cut(write));
      const found = decodeHead(torn);
      expect([old, wanted]).toContainEqual(found);
      for (const again of [sections, { signatures: filled(1000, 8) }]) {
        const finished = planHeadRewrite(torn, again).reduce((state, next) => apply(state, next), torn);
        expectBytes(finished, encodeHead({ ...found, ...again }));
      }
      bytes = apply(bytes, write);
    }
  });

  test('no write touches the manifest, the root page or a live section', () => {
    let bytes = encodeHead(old);
    for (const write of plan) {
      if (write.offset === 0) {
        expect(write.bytes.length).toBe(headHeader.size);
      } else {
        expect(decodeHead(apply(bytes, write))).toEqual(decodeHead(bytes));
        expect(decodeHead(apply(bytes, { ...write, bytes: write.bytes.map((byte) => ~byte) }))).toEqual(decodeHead(bytes));
      }
      bytes = apply(bytes, write);
    }
  });
});

test('switches with the header, twice', () => {
  const plan = planHeadRewrite(encodeHead(signed), { signatures: more });
  expect(plan.map(({ offset }) => offset === 0)).toEqual([false, true, false, true, false]);
});

test.each([
  ['beside the old ones', { ...unsigned, signatures: filled(8000, 1) }, { signatures: filled(8100, 1) }],
  ['twice', unsigned, { signatures: filled(6000, 1) }],
  ['at all', unsigned, { signatures: filled(12_000, 1) }],
])('no room for the new sections %s: refused before anything is written', (_, old, sections) => {
  expect(() => planHeadRewrite(encodeHead(old), sections)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED', suggestions: [expect.any(String)] as unknown }));
});
