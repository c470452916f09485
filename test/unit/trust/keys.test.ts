import { createHash, createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { generateKey, keyTypes, loadPrivateKey, loadTrustedKeys } from '../../../src/trust/keys.js';

const pairs = Object.fromEntries(keyTypes.map((type) => [type, generateKey(type)]));
const refused = (action: () => unknown, code: string, message?: RegExp): void => {
  expect(action).toThrow(expect.objectContaining({ code, ...(message === undefined ? {} : { message: expect.stringMatching(message) as unknown }) }));
};
const pem = { type: 'spki', format: 'pem' } as const;
const privatePem = { type: 'pkcs8', format: 'pem' } as const;

describe.each(keyTypes)('%s', (type) => {
  const { privatePem: secret, publicPem } = pairs[type]!;

  test('a new key is PKCS#8 and SubjectPublicKeyInfo, and both halves have one id', () => {
    expect(secret).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(publicPem).toMatch(/^-----BEGIN PUBLIC KEY-----\n/);
    const signing = loadPrivateKey(secret);
    const [trusted] = loadTrustedKeys([publicPem]);
    expect(trusted).toMatchObject({ type, keyId: signing.keyId });
    expect(signing.type).toBe(type);
    const der = Buffer.from(publicPem.replace(/-----[^-]+-----|\n/g, ''), 'base64');
    expect(signing.keyId).toBe(createHash('sha256').update(der).digest('hex'));
  });

  test('an encrypted key wants its passphrase', () => {
    const encrypted = createPrivateKey(secret).export({ ...privatePem, cipher: 'aes-256-cbc', passphrase: 'open sesame' }).toString();
    expect(loadPrivateKey(encrypted, { passphrase: 'open sesame' }).keyId).toBe(loadPrivateKey(secret).keyId);
    refused(() => loadPrivateKey(encrypted), 'BAD_ARGUMENT');
    refused(() => loadPrivateKey(encrypted, { passphrase: 'wrong' }), 'BAD_ARGUMENT');
    expect(() => loadPrivateKey(encrypted)).toThrow(expect.objectContaining({ suggestions: ['It is encrypted: give its passphrase (--passphrase-file).'] }));
    expect(() => loadPrivateKey(encrypted, { passphrase: 'wrong' })).toThrow(expect.objectContaining({ suggestions: ['Check the passphrase.'] }));
  });

  test('the private key is no trust anchor, and the public key does not sign', () => {
    refused(() => loadTrustedKeys([secret], 'anchors/a.pem'), 'BAD_ARGUMENT', /^anchors\/a\.pem: is a private key/);
    refused(() => loadTrustedKeys([publicPem + secret]), 'BAD_ARGUMENT', /private key/);
    refused(() => loadPrivateKey(publicPem), 'BAD_ARGUMENT');
  });
});

test('RSA has 3072 bits', () => {
  expect(loadPrivateKey(pairs['rsa']!.privatePem).publicKey.asymmetricKeyDetails?.modulusLength).toBe(3072);
});

test('several keys in one text, each once', () => {
  const texts = [`# two keys\n${pairs['ed25519']!.publicPem}between\n${pairs['rsa']!.publicPem}`, pairs['ed25519']!.publicPem];
  expect(loadTrustedKeys(texts).map(({ type }) => type)).toEqual(['ed25519', 'rsa']);
});

test('one key has one id, whether or not its point is compressed', () => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const point = der.subarray(-65);
  // SubjectPublicKeyInfo { ecPublicKey prime256v1, BIT STRING of 33 bytes }: the same key with its point compressed (SEC 1 section 2.3.3).
  const compressed = Buffer.concat([
    Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'), Buffer.from([2 + (point[64]! & 1)]), point.subarray(1, 33),
  ]);
  const text = `-----BEGIN PUBLIC KEY-----\n${compressed.toString('base64')}\n-----END PUBLIC KEY-----\n`;
  expect(loadTrustedKeys([text, publicKey.export(pem).toString()])).toHaveLength(1);
});

describe('refused keys', () => {
  test.each([
    ['RSA of 1024 bits', 'BAD_ARGUMENT', () => generateKeyPairSync('rsa', { modulusLength: 1024, publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['RSA with exponent 3', 'BAD_ARGUMENT', () => generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3, publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['P-521', 'FEATURE_UNSUPPORTED', () => generateKeyPairSync('ec', { namedCurve: 'P-521', publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['secp256k1', 'FEATURE_UNSUPPORTED', () => generateKeyPairSync('ec', { namedCurve: 'secp256k1', publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['Ed448', 'FEATURE_UNSUPPORTED', () => generateKeyPairSync('ed448', { publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['X25519', 'FEATURE_UNSUPPORTED', () => generateKeyPairSync('x25519', { publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
    ['RSASSA-PSS', 'FEATURE_UNSUPPORTED', () => generateKeyPairSync('rsa-pss', { modulusLength: 2048, publicKeyEncoding: pem, privateKeyEncoding: privatePem })],
  ] as const)('%s: %s', (_, code, make) => {
    const { privateKey, publicKey } = make();
    refused(() => loadPrivateKey(privateKey), code);
    refused(() => loadTrustedKeys([publicKey]), code);
  });

  test.each([
    ['nothing', ''],
    ['no PEM', 'ssh-ed25519 AAAA'],
    ['a broken public key', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'],
    ['a broken certificate', '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n'],
    ['another kind of PEM', '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n'],
    ['no end', '-----BEGIN PUBLIC KEY-----\nAAAA\n'],
  ])('%s', (_, text) => {
    refused(() => loadTrustedKeys([text]), 'BAD_ARGUMENT');
    refused(() => loadPrivateKey(text), 'BAD_ARGUMENT');
  });

  test('a broken private key', () => {
    refused(() => loadPrivateKey('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'), 'BAD_ARGUMENT', /cannot be read/);
  });
});
