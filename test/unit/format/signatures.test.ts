import { describe, expect, test } from '@jest/globals';
import { decodeSignatures, encodeSignatures, signatureSchemes, SIGNATURE_MAX_SIZE, SIGNATURES_MAX_COUNT, SIGNATURES_MAX_SIZE, type Signature } from '../../../src/format/signatures.js';

const one: Signature = { keyId: 'ab'.repeat(32), scheme: 'ed25519', signature: new Uint8Array(64).fill(7) };
const text = Buffer.from(encodeSignatures([one])).toString();
const refused = (bytes: Uint8Array, code: string): void => { expect(() => decodeSignatures(bytes)).toThrow(expect.objectContaining({ code })); };
const numbered = (count: number, size = 64): Signature[] => Array.from({ length: count }, (_, i) => ({
  ...one, keyId: i.toString(16).padStart(64, '0'), signature: new Uint8Array(size),
}));

test('has this spelling, and comes back', () => {
  expect(text).toBe(`{"payloadType":"application/vnd.thawfs.manifest.v1+json","signatures":[{"keyid":"${'ab'.repeat(32)}","scheme":"ed25519","sig":"${'Bwc'.concat('HBwc'.repeat(20), 'HBw==')}"}]}`);
  const all = signatureSchemes.map((scheme, i) => ({ ...one, scheme, signature: new Uint8Array(1 + i).fill(i) }));
  expect(decodeSignatures(encodeSignatures(all))).toEqual(all);
});

describe('limits', () => {
  test('count', () => {
    expect(decodeSignatures(encodeSignatures(numbered(SIGNATURES_MAX_COUNT)))).toHaveLength(SIGNATURES_MAX_COUNT);
    expect(() => encodeSignatures(numbered(SIGNATURES_MAX_COUNT + 1))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    refused(Buffer.from(text.replace(/\[(.*)\]/, `[${Array(33).fill('$1').join(',')}]`)), 'LIMIT_EXCEEDED');
  });

  test('32 signatures of RSA 4096 fit, 32 of RSA 8192 do not', () => {
    expect(encodeSignatures(numbered(SIGNATURES_MAX_COUNT, 512)).length).toBeLessThan(SIGNATURES_MAX_SIZE);
    expect(() => encodeSignatures(numbered(SIGNATURES_MAX_COUNT, 1024))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  test('size of one, and of all', () => {
    expect(decodeSignatures(encodeSignatures(numbered(1, SIGNATURE_MAX_SIZE)))).toHaveLength(1);
    refused(encodeSignatures(numbered(1, SIGNATURE_MAX_SIZE + 1)), 'LIMIT_EXCEEDED');
    refused(Buffer.alloc(SIGNATURES_MAX_SIZE + 1, 0x5b), 'LIMIT_EXCEEDED');
  });

  test('none is not a record', () => {
    expect(() => encodeSignatures([])).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
    refused(Buffer.from(text.replace(/\[.*\]/, '[]')), 'BAD_FIELD');
  });
});

describe('refuses', () => {
  test('to write what it would not read', () => {
    expect(() => encodeSignatures([one, { ...one, signature: new Uint8Array(3) }])).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test.each([
    ['white space', text.replace(':', ': ')],
    ['another payload type', text.replace('v1', 'v2')],
    ['a payload', text.replace('{', '{"payload":"",')],
    ['another field in a signature', text.replace('"sig"', '"note":"","sig"').replace('"keyid"', '"keyid"')],
    ['an unknown scheme', text.replace('ed25519', 'ed448')],
    ['a scheme that only contains a known one', text.replace('ed25519', 'ed25519x')],
    ['an upper-case key id', text.replace(/ab/g, 'AB')],
    ['a short key id', text.replace('abab', 'ab')],
    ['base64 that hides bits', text.replace('Bw==', 'Bx==')],
    ['URL-safe base64', text.replace('BwcH', 'B_cH')],
    ['no padding', text.replace('==', '')],
    ['an empty signature', text.replace(/"sig":"[^"]*"/, '"sig":""')],
    ['a signature that is a number', text.replace(/"sig":"[^"]*"/, '"sig":1')],
    ['signatures that are an object', text.replace(/\[.*\]/, '{}')],
    ['a signature that is a list', text.replace(/\[.*\]/, '[[]]')],
    ['one key and scheme twice', text.replace(/\[(.*)\]/, '[$1,$1]')],
    ['a list', '[]'],
    ['null', 'null'],
    ['nothing', ''],
  ])('%s', (_, altered) => {
    expect(altered).not.toBe(text);
    refused(Buffer.from(altered), 'BAD_FIELD');
  });

  test('nesting that would exhaust the stack', () => refused(Buffer.from('['.repeat(16_000) + ']'.repeat(16_000)), 'BAD_FIELD'));
});
