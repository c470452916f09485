/** Keys of signers and readers: what is accepted, and the id they go by. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { toHex } from '../bytes/hex.js';
import { ThawfsError } from '../errors.js';

export const keyTypes = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'] as const;
export type KeyType = typeof keyTypes[number];

/** A key that a signature is checked with. */
export interface PublicKey {
  readonly type: KeyType;
  /** SHA-256 of the SubjectPublicKeyInfo in DER, lowercase hex. */
  readonly keyId: string;
  readonly publicKey: KeyObject;
}

/** A key that signs. */
export interface SigningKey extends PublicKey {
  readonly privateKey: KeyObject;
}

const RSA_NEW_BITS = 3072; // 128-bit strength, as the other types (NIST SP 800-57 part 1, table 2)
const RSA_LEAST_BITS = 2048;
const RSA_MOST_BITS = 8192; // its signature is SIGNATURE_MAX_SIZE bytes
const RSA_LEAST_EXPONENT = 65537n; // FIPS 186-5 section 5.1

const privateKeyBlock = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;
const curves: Readonly<Record<string, KeyType>> = { prime256v1: 'ecdsa-p256', secp384r1: 'ecdsa-p384' };

/** @returns a new key pair in PEM: PKCS#8, not encrypted, and SubjectPublicKeyInfo. RSA has 3072 bits. */
export function generateKey(type: KeyType): { readonly privatePem: string; readonly publicPem: string } {
  const publicKeyEncoding = { type: 'spki', format: 'pem' } as const;
  const privateKeyEncoding = { type: 'pkcs8', format: 'pem' } as const;
  const { privateKey, publicKey } = type === 'ed25519' ? generateKeyPairSync('ed25519', { publicKeyEncoding, privateKeyEncoding })
    : type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: RSA_NEW_BITS, publicKeyEncoding, privateKeyEncoding })
    : generateKeyPairSync('ec', { namedCurve: type === 'ecdsa-p256' ? 'P-256' : 'P-384', publicKeyEncoding, privateKeyEncoding });
  return { privatePem: privateKey, publicPem: publicKey };
}

/**
 * @param pem PKCS#8, PKCS#1 or SEC 1 private key
 * @param options.passphrase opens an encrypted key
 * @param options.label names the key in messages, for example its path
 * @throws BAD_ARGUMENT when it is no private key, the passphrase is missing or wrong, or the key is weak; FEATURE_UNSUPPORTED for other algorithms
 */
export function loadPrivateKey(pem: string, { label = 'signing key', ...options }: { readonly passphrase?: string; readonly label?: string } = {}): SigningKey {
  if (!privateKeyBlock.test(pem)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: holds no private key in PEM form`, { detail: { label }, suggestion: 'Give the private key; thawfs key generate makes one.' });
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey({ key: pem, ...options });
  } catch (cause) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: this private key cannot be read`, { detail: { label }, cause, suggestion: privateKeyRemedy(pem, options.passphrase) });
  }
  return { ...describeKey(createPublicKey(privateKey), label), privateKey };
}

function privateKeyRemedy(pem: string, passphrase: string | undefined): string {
  if (!pem.includes('ENCRYPTED')) return 'Check the file with openssl pkey -in FILE -noout.';
  return passphrase === undefined ? 'It is encrypted: give its passphrase (--passphrase-file).' : 'Check the passphrase.';
}

/**
 * Trust anchors. A certificate stands for the key in it: neither its dates nor its issuer are looked at, because whoever names the
 * file vouches for the key, and a device may boot with a wrong clock (docs/trust.md, "Keys").
 *
 * @param pemTexts contents of PEM files: public keys and certificates, any number in each
 * @param label names the texts in messages, for example their path
 * @returns each key once, in the order given
 * @throws BAD_ARGUMENT for a private key, a text without a key, or a weak key; FEATURE_UNSUPPORTED for other algorithms
 */
export function loadTrustedKeys(pemTexts: readonly string[], label = 'trusted key'): PublicKey[] {
  const keys = pemTexts.flatMap((text) => pemBlocks(text, label)).map((block) => loadTrustedKey(block, label));
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

function pemBlocks(text: string, label: string): string[] {
  if (privateKeyBlock.test(text)) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: is a private key, a reader must only have the public one`, {
      detail: { label }, suggestion: 'Extract it with openssl pkey -in FILE -pubout, and keep the private key with the signer.',
    });
  }
  const blocks = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g)].map(([pem]) => pem);
  if (blocks.length === 0) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: holds no key in PEM form`, { detail: { label }, suggestion: 'Give a public key or a certificate in PEM form.' });
  }
  return blocks;
}

function loadTrustedKey(pem: string, label: string): PublicKey {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new ThawfsError('BAD_ARGUMENT', `${label}: holds neither a public key nor a certificate`, {
      detail: { label }, cause, suggestion: 'Check the file with openssl pkey -pubin or openssl x509.',
    });
  }
  return describeKey(key, label);
}

/**
 * @param label names the key in messages
 * @throws BAD_ARGUMENT when the key is weak; FEATURE_UNSUPPORTED for other algorithms
 */
export function describeKey(key: KeyObject, label: string): PublicKey {
  const type = keyType(key, label);
  // By way of JWK: one key has one SubjectPublicKeyInfo, whether or not the file had its curve point compressed.
  const publicKey = createPublicKey({ key: key.export({ format: 'jwk' }), format: 'jwk' });
  return { type, keyId: toHex(createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' })).digest()), publicKey };
}

function keyType({ asymmetricKeyType: algorithm, asymmetricKeyDetails: details = {} }: KeyObject, label: string): KeyType {
  if (algorithm === 'ed25519') return algorithm;
  if (algorithm === 'rsa') {
    const { modulusLength = 0, publicExponent = 0n } = details;
    if (modulusLength < RSA_LEAST_BITS || modulusLength > RSA_MOST_BITS || publicExponent < RSA_LEAST_EXPONENT) {
      throw new ThawfsError('BAD_ARGUMENT', `${label}: RSA with ${modulusLength} bits and exponent ${publicExponent}; accepted are ${RSA_LEAST_BITS} to ${RSA_MOST_BITS} bits, exponent at least ${RSA_LEAST_EXPONENT}`, {
        detail: { label, bits: modulusLength }, suggestion: 'Use a stronger key; thawfs key generate makes one.',
      });
    }
    return algorithm;
  }
  const curve = algorithm === 'ec' ? curves[details.namedCurve ?? ''] : undefined;
  if (curve !== undefined) return curve;
  throw new ThawfsError('FEATURE_UNSUPPORTED', `${label}: keys of type ${[algorithm, details.namedCurve].filter(Boolean).join(' ')} are not supported`, {
    detail: { label, algorithm }, suggestion: 'Use Ed25519, ECDSA on P-256 or P-384, or RSA (rsaEncryption).',
  });
}
