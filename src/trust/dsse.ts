/** Signatures over the manifest as DSSE v1.0.2 defines them (github.com/secure-systems-lab/dsse, protocol.md and envelope.md). */
import { constants, sign, verify, type KeyObject, type SigningOptions } from 'node:crypto';
import { ThawfsError } from '../errors.js';
import { MANIFEST_TYPE } from '../format/manifest.js';
import { signatureSchemes, type Signature, type SignatureScheme } from '../format/signatures.js';
import type { KeyType, PublicKey, SigningKey } from './keys.js';

interface SchemeRule {
  readonly key: KeyType;
  /** null: the scheme hashes by itself. */
  readonly digest: 'sha256' | 'sha384' | null;
  readonly signing: SigningOptions;
  readonly verifying: SigningOptions;
}

const plain = { signing: {}, verifying: {} };
const der = { signing: { dsaEncoding: 'der' }, verifying: { dsaEncoding: 'der' } } as const;
const pkcs1v15 = { padding: constants.RSA_PKCS1_PADDING };
const pss = { padding: constants.RSA_PKCS1_PSS_PADDING };

const rules: Readonly<Record<SignatureScheme, SchemeRule>> = {
  'ed25519': { key: 'ed25519', digest: null, ...plain },
  'ecdsa-p256-sha256': { key: 'ecdsa-p256', digest: 'sha256', ...der },
  'ecdsa-p384-sha384': { key: 'ecdsa-p384', digest: 'sha384', ...der },
  // We salt with as many bytes as the digest has; what an external signer did (openssl: as many as fit) is found out when verifying.
  'rsa-pss-sha256': {
    key: 'rsa', digest: 'sha256',
    signing: { ...pss, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, verifying: { ...pss, saltLength: constants.RSA_PSS_SALTLEN_AUTO },
  },
  'rsa-pkcs1v15-sha256': { key: 'rsa', digest: 'sha256', signing: pkcs1v15, verifying: pkcs1v15 },
};

/** @returns the schemes that fit a key, its default first. */
export function schemesOf(type: KeyType): readonly SignatureScheme[] {
  return signatureSchemes.filter((scheme) => rules[scheme].key === type);
}

/** Pre-authentication encoding: the bytes that are signed. `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`. */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.length} `), payload]);
}

/**
 * @param manifest the manifest's bytes as they are in the head
 * @param scheme by default the one that {@link schemesOf} names first: an RSA key signs with PSS
 * @returns Ed25519 and PKCS#1 v1.5: the same bytes every time; ECDSA and PSS: different each time
 * @throws BAD_ARGUMENT when the scheme does not fit the key
 */
export function makeSignature(manifest: Uint8Array, key: SigningKey, scheme: SignatureScheme = schemesOf(key.type)[0]!): Signature {
  const rule = rules[scheme];
  if (rule.key !== key.type) {
    throw new ThawfsError('BAD_ARGUMENT', `signature scheme ${scheme} does not fit a key of type ${key.type}`, {
      detail: { scheme, keyType: key.type }, suggestion: `Use ${schemesOf(key.type).join(' or ')}.`,
    });
  }
  const signature = sign(rule.digest, preAuthEncoding(MANIFEST_TYPE, manifest), { key: key.privateKey, ...rule.signing });
  return { keyId: key.keyId, scheme, signature: new Uint8Array(signature) };
}

/** @returns whether `key` made `signature` over the manifest; a scheme of another key type is false. */
export function checkSignature(manifest: Uint8Array, { scheme, signature }: Pick<Signature, 'scheme' | 'signature'>, key: PublicKey): boolean {
  const rule = rules[scheme];
  return rule.key === key.type && verifies(rule, preAuthEncoding(MANIFEST_TYPE, manifest), key.publicKey, signature);
}

function verifies(rule: SchemeRule, message: Uint8Array, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(rule.digest, message, { key, ...rule.verifying }, signature);
  } catch {
    return false; // OpenSSL reports some malformed signatures as an error rather than as a wrong signature.
  }
}
