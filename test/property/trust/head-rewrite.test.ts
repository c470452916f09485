import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { planHeadRewrite } from '../../../src/image/head-rewrite.js';
import { sampleHead } from '../../helpers/sample-image.js';

const section = fc.option(fc.uint8Array({ minLength: 1, maxLength: 1500, size: 'max' }), { nil: undefined });
const sections = fc.record({ signatures: section, pkcs7: section }).map(({ signatures, pkcs7 }) => ({ ...(signatures && { signatures }), ...(pkcs7 && { pkcs7 }) }));

test('after any number of rewrites, each cut short anywhere in any sector, the head holds the last whole set, and can be rewritten', () => {
  fc.assert(fc.property(sections, fc.array(fc.tuple(sections, fc.nat(9), fc.nat(), fc.nat(1)), { maxLength: 5 }), (first, rewrites) => {
    let bytes = encodeHead({ ...sampleHead(), ...first });
    for (const [wanted, cutWrite, seed, headerLands] of rewrites) {
      const before = decodeHead(bytes);
      planHeadRewrite(bytes, wanted).slice(0, cutWrite + 1).forEach(({ offset, bytes: part }, i) => {
        const isCut = i === cutWrite;
        bytes = bytes.slice();
        part.forEach((byte, at) => {
          // Of the write under way some sectors are on the disk: which, the seed says. The header lies in one.
          const lands = offset === 0 ? headerLands : (seed >> Math.floor((offset + at) / 512) % 24) & 1;
          if (!isCut || lands === 1) bytes[offset + at] = byte;
        });
      });
      expect([before, { ...before, ...wanted }]).toContainEqual(decodeHead(bytes));
    }
    const found = decodeHead(bytes);
    let settled = bytes;
    for (const { offset, bytes: part } of planHeadRewrite(bytes, { pkcs7: new Uint8Array([1]) })) {
      settled = settled.slice();
      settled.set(part, offset);
    }
    expect(Buffer.compare(settled, encodeHead({ ...found, pkcs7: new Uint8Array([1]) }))).toBe(0);
  }), { numRuns: 200 });
});
