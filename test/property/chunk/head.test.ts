import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHead, encodeHead, type Head, type SignaturePlace } from '../../../src/chunk/head.js';
import { hasCode } from '../../../src/errors.js';
import { headHeader } from '../../../src/format/container.js';

const section = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: most });
const heads: fc.Arbitrary<Head> = fc.record({
  manifest: section(900), rootPage: section(900), signatures: section(900), pkcs7: section(900),
  headSize: fc.constantFrom(4096, 8192, 65536), indexOffset: fc.integer({ min: 65537, max: Number.MAX_SAFE_INTEGER }),
}, { requiredKeys: ['manifest', 'rootPage', 'headSize', 'indexOffset'] });

test('every head comes back as it was, wherever its signatures lie', () => {
  fc.assert(fc.property(heads, fc.constantFrom<SignaturePlace>('front', 'back'), (head, place) => { expect(decodeHead(encodeHead(head, place))).toEqual(head); }));
});

test('a changed byte is refused, or changes what is decoded, or lies behind the root page in no section', () => {
  fc.assert(fc.property(heads, fc.nat(), fc.integer({ min: 1, max: 255 }), (head, place, change) => {
    const bytes = encodeHead(head);
    const at = place % bytes.length;
    bytes[at]! ^= change;
    let decoded: Head;
    try {
      decoded = decodeHead(bytes);
    } catch (error) {
      expect(hasCode(error)).toBe(true);
      return;
    }
    if (isSpare(head, at)) expect(decoded).toEqual(head);
    else expect(decoded).not.toEqual(head);
  }), { numRuns: 500 });
});

function isSpare(head: Head, at: number): boolean {
  const { rootPageOffset, rootPageSize, signaturesOffset, signaturesSize, pkcs7Offset, pkcs7Size } = headHeader.decode(encodeHead(head));
  const inside = (offset: number, size: number): boolean => at >= offset && at < offset + size;
  return at >= rootPageOffset + rootPageSize && !inside(signaturesOffset, signaturesSize) && !inside(pkcs7Offset, pkcs7Size);
}
