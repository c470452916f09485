import { describe, expect, test } from '@jest/globals';
import { MANIFEST_TYPE } from '../../../src/format/manifest.js';
import { signatureSchemes, type SignatureScheme } from '../../../src/format/signatures.js';
import { checkSignature, makeSignature, preAuthEncoding, schemesOf } from '../../../src/trust/dsse.js';
import { decodeEnvelope, encodeEnvelope } from '../../../src/trust/envelope.js';
import { generateKey, keyTypes, loadPrivateKey, type SigningKey } from '../../../src/trust/keys.js';

const keys = new Map(keyTypes.map((type) => [type, loadPrivateKey(generateKey(type).privatePem)]));
const keyOf = (scheme: SignatureScheme): SigningKey => keys.get(keyTypes.find((type) => schemesOf(type).includes(scheme))!)!;
const manifest = Buffer.from('{"name":"sample"}');

test('the pre-authentication encoding is the one of the specification', () => {
  // protocol.md of DSSE, "Test Vectors".
  expect(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world')).toString())
    .toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  expect(preAuthEncoding('é', Buffer.alloc(0)).toString()).toBe('DSSEv1 2 é 0 ');
  expect(preAuthEncoding('a', Buffer.from([0, 255]))).toEqual(Buffer.from([...Buffer.from('DSSEv1 1 a 2 '), 0, 255]));
});

test('every key type has its schemes, RSA begins with PSS', () => {
  expect(keyTypes.map(schemesOf)).toEqual([['ed25519'], ['ecdsa-p256-sha256'], ['ecdsa-p384-sha384'], ['rsa-pss-sha256', 'rsa-pkcs1v15-sha256']]);
});

describe.each(signatureSchemes)('%s', (scheme) => {
  const key = keyOf(scheme);
  const made = makeSignature(manifest, key, scheme);

  test('verifies over this manifest and by this key only', () => {
    expect(made).toMatchObject({ keyId: key.keyId, scheme });
    expect(checkSignature(manifest, made, key)).toBe(true);
    expect(checkSignature(Buffer.from('{"name":"sampel"}'), made, key)).toBe(false);
    expect(checkSignature(manifest, made, loadPrivateKey(generateKey(key.type === 'rsa' ? 'ed25519' : key.type).privatePem))).toBe(false);
  });

  test('under another scheme it is nothing', () => {
    for (const other of signatureSchemes) {
      if (other !== scheme) expect(checkSignature(manifest, { ...made, scheme: other }, key)).toBe(false);
    }
  });

  test('no changed, cut or lengthened signature verifies', () => {
    for (let at = 0; at < made.signature.length; at += 7) {
      const changed = made.signature.slice();
      changed[at]! ^= 0x10;
      expect(checkSignature(manifest, { scheme, signature: changed }, key)).toBe(false);
    }
    for (const signature of [made.signature.subarray(1), made.signature.subarray(0, -1), Buffer.concat([made.signature, Buffer.alloc(1)]), new Uint8Array(0)]) {
      expect(checkSignature(manifest, { scheme, signature }, key)).toBe(false);
    }
  });
});

test('the scheme must fit the key', () => {
  expect(() => makeSignature(manifest, keys.get('ed25519')!, 'rsa-pss-sha256')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  expect(() => makeSignature(manifest, keys.get('ecdsa-p256')!, 'ecdsa-p384-sha384')).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  expect(makeSignature(manifest, keys.get('rsa')!).scheme).toBe('rsa-pss-sha256');
});

test('Ed25519 and PKCS#1 v1.5 give the same bytes again', () => {
  for (const scheme of ['ed25519', 'rsa-pkcs1v15-sha256'] as const) {
    expect(makeSignature(manifest, keyOf(scheme), scheme)).toEqual(makeSignature(manifest, keyOf(scheme), scheme));
  }
});

describe('envelope', () => {
  const signatures = signatureSchemes.map((scheme) => makeSignature(manifest, keyOf(scheme), scheme));
  const envelope = JSON.parse(Buffer.from(encodeEnvelope(manifest, signatures)).toString()) as { payload: string; payloadType: string; signatures: { sig: string }[] };
  const decode = (value: unknown): unknown => decodeEnvelope(Buffer.from(JSON.stringify(value)), manifest);

  test('is the standard one and comes back', () => {
    expect(envelope.payloadType).toBe(MANIFEST_TYPE);
    expect(Buffer.from(envelope.payload, 'base64')).toEqual(manifest);
    expect(decode(envelope)).toEqual(signatures.map(({ scheme, signature }) => ({ scheme, signature })));
  });

  test('what others write is read: URL-safe base64, other fields, no payload, no key id, another scheme name', () => {
    const sig = envelope.signatures[4]!.sig.replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
    expect(decode({ payloadType: MANIFEST_TYPE, more: 1, signatures: [{ sig, scheme: 'PS256', cert: 'x' }] })).toEqual([{ signature: signatures[4]!.signature }]);
  });

  test.each([
    ['no JSON', 'BAD_FIELD', Buffer.from('{')],
    ['not UTF-8', 'BAD_FIELD', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a list', 'BAD_FIELD', Buffer.from('[]')],
    ['another type', 'BAD_FIELD', Buffer.from(JSON.stringify({ ...envelope, payloadType: 'text/plain' }))],
    ['no signatures', 'BAD_FIELD', Buffer.from(JSON.stringify({ ...envelope, signatures: [] }))],
    ['signatures that are no list', 'BAD_FIELD', Buffer.from(JSON.stringify({ ...envelope, signatures: {} }))],
    ['a signature that is no object', 'BAD_FIELD', Buffer.from(JSON.stringify({ ...envelope, signatures: [null] }))],
    ['no base64', 'BAD_FIELD', Buffer.from(JSON.stringify({ ...envelope, signatures: [{ sig: '*' }] }))],
    ['another payload', 'SIGNATURE_INVALID', Buffer.from(JSON.stringify({ ...envelope, payload: 'e30=' }))],
    ['33 signatures', 'LIMIT_EXCEEDED', Buffer.from(JSON.stringify({ ...envelope, signatures: Array(33).fill({ sig: 'AAAA' }) }))],
    ['a large signature', 'LIMIT_EXCEEDED', Buffer.from(JSON.stringify({ ...envelope, signatures: [{ sig: 'A'.repeat(1400) }] }))],
    ['a large file', 'LIMIT_EXCEEDED', Buffer.alloc(100_000, 0x20)],
  ])('refuses %s: %s', (_, code, bytes) => {
    expect(() => decodeEnvelope(bytes, manifest)).toThrow(expect.objectContaining({ code }));
  });
});
