import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHead, encodeHead, type Head } from '../../../src/chunk/head.js';
import { hasCode } from '../../../src/errors.js';

const section = (most: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: 1, maxLength: most });
const heads: fc.Arbitrary<Head> = fc.record({
  manifest: section(900), rootPage: section(900), signatures: section(900), pkcs7: section(900),
  headSize: fc.constantFrom(4096, 8192, 65536), indexOffset: fc.integer({ min: 65537, max: Number.MAX_SAFE_INTEGER }),
}, { requiredKeys: ['manifest', 'rootPage', 'headSize', 'indexOffset'] });

test('every head comes back as it was', () => {
  fc.assert(fc.property(heads, (head) => { expect(decodeHead(encodeHead(head))).toEqual(head); }));
});

test('a changed byte is refused, or changes what is decoded: no byte is without meaning', () => {
  fc.assert(fc.property(heads, fc.nat(), fc.integer({ min: 1, max: 255 }), (head, place, change) => {
    const bytes = encodeHead(head);
    bytes[place % bytes.length]! ^= change;
    let decoded: Head;
    try {
      decoded = decodeHead(bytes);
    } catch (error) {
      expect(hasCode(error)).toBe(true);
      return;
    }
    expect(decoded).not.toEqual(head);
    expect(Buffer.compare(encodeHead(decoded), bytes)).toBe(0);
  }), { numRuns: 500 });
});
