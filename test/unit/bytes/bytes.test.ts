import { describe, expect, test } from '@jest/globals';
import { display, fromBytes, fromDisplayed, fromText, toBytes } from '../../../src/bytes/byte-string.js';
import { decodeCanonicalJson, encodeCanonicalJson } from '../../../src/bytes/canonical-json.js';
import { crc32c } from '../../../src/bytes/crc32c.js';
import { parseHex, toHex } from '../../../src/bytes/hex.js';
import { formatUuid, parseUuid } from '../../../src/bytes/uuid.js';

const badArgument = expect.objectContaining({ code: 'BAD_ARGUMENT' });
const badField = expect.objectContaining({ code: 'BAD_FIELD' });

describe('byte strings', () => {
  test('every byte survives', () => {
    const all = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(fromBytes(all)).toHaveLength(256);
    expect([...toBytes(fromBytes(all))]).toEqual([...all]);
  });

  test('text goes in as UTF-8 and comes out as text', () => {
    expect(display(fromText('naïve/日本'))).toBe('naïve/日本');
    expect(fromText('é')).toBe('\xc3\xa9');
  });

  test('what is not UTF-8, and control characters, are escaped', () => {
    expect(display('a\xff\xfeb')).toBe('a\\xff\\xfeb');
    expect(display('a\x1b[31m\n')).toBe('a\\x1b[31m\\x0a');
  });

  test('what was displayed leads back; a backslash that looks like an escape is written as one', () => {
    for (const name of ['a\xff\xfeb', 'a\x1b[31m\n', '\xc3\xa9', 'back\\slash', '\\x41', 'd\xff/\xc3\xa9']) expect(fromDisplayed(display(name))).toBe(name);
    expect(fromDisplayed('a\\x5cxff')).toBe('a\\xff');
  });
});

describe('canonical JSON (RFC 8785)', () => {
  test('keys are sorted, absent ones left out, no space', () => {
    expect(Buffer.from(encodeCanonicalJson({ b: [1, 'x', null], a: { d: true, c: undefined } })).toString()).toBe('{"a":{"d":true},"b":[1,"x",null]}');
  });

  test('only the canonical spelling is read', () => {
    expect(decodeCanonicalJson(Buffer.from('{"a":1,"b":2}'), 'r')).toEqual({ a: 1, b: 2 });
    for (const text of ['{"b":2,"a":1}', '{"a": 1}', '{"a":1,"a":1}', '{"a":1.0}', '{"a":1}\n', '\ufeff{"a":1}', '"\\u0061"', '{', '1.5', '{"a":1e400}']) {
      expect(() => decodeCanonicalJson(Buffer.from(text), 'r')).toThrow(badField);
    }
    expect(() => decodeCanonicalJson(Uint8Array.of(0x22, 0xff, 0x22), 'r')).toThrow(badField);
  });

  test('a key named __proto__ is a key like any other', () => {
    expect(() => decodeCanonicalJson(Buffer.from('{"__proto__":{"a":1}}'), 'r')).not.toThrow();
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });
});

describe('crc32c', () => {
  const plain = (bytes: Uint8Array): number => (crc32c(0xffffffff, bytes) ^ 0xffffffff) >>> 0;

  test('check value and the vectors of RFC 3720 B.4', () => {
    expect(plain(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(plain(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(plain(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(plain(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  });

  test('chains over any cut, honours start and end', () => {
    const bytes = Uint8Array.from({ length: 100 }, (_, i) => i * 37 & 255);
    const whole = crc32c(0xffffffff, bytes);
    for (let cut = 0; cut <= 100; cut++) expect(crc32c(crc32c(0xffffffff, bytes, 0, cut), bytes, cut)).toBe(whole);
  });
});

describe('hex and UUIDs', () => {
  test('there and back', () => {
    expect(toHex(parseHex('00ffA5', 'x'))).toBe('00ffa5');
    expect(formatUuid(parseUuid('01234567-89AB-cdef-0123-456789abcdef', 'x'))).toBe('01234567-89ab-cdef-0123-456789abcdef');
  });

  test('everything else is refused', () => {
    for (const text of ['0', 'zz', '0x00', ' 00']) expect(() => parseHex(text, '--salt')).toThrow(badArgument);
    for (const text of ['', '0123', '0123456789abcdef0123456789abcdef', '01234567-89ab-cdef-0123-456789abcdeg']) expect(() => parseUuid(text, '--uuid')).toThrow(badArgument);
  });
});
