/** Signing an image that exists: with keys at hand, or with a key that lives elsewhere (export, sign there, import). */
import { closeSync, openSync } from 'node:fs';
import { ifErrno, ThawfsError } from '../errors.js';
import type { Head } from '../chunk/head.js';
import { decodeManifest, MANIFEST_TYPE } from '../format/manifest.js';
import { decodeSignatures, encodeSignatures, SIGNATURE_MAX_SIZE, type Signature, type SignatureScheme } from '../format/signatures.js';
import { withFileLock } from '../sys/file-lock.js';
import { checkSignature, preAuthEncoding, schemesOf } from '../trust/dsse.js';
import { decodeEnvelope, encodeEnvelope, type ForeignSignature } from '../trust/envelope.js';
import { loadTrustedKeys, type PublicKey } from '../trust/keys.js';
import { verifyRootHashSignature } from '../trust/pkcs7.js';
import { readHead, replaceSignatures } from './head-rewrite.js';
import { Signers, type SignOptions } from './signers.js';

export type { SignOptions } from './signers.js';

export interface SignReport {
  /** Signatures that were not there before. */
  readonly added: readonly { readonly keyId: string; readonly scheme: SignatureScheme }[];
  /** Signatures the image has now. */
  readonly signatureCount: number;
  /** Whether the PKCS#7 signature was written. */
  readonly rootHashSigned: boolean;
}

/**
 * Adds signatures to an image file in place; its data is not touched. A kill or a power cut leaves the old signatures or the new ones.
 * A key that has signed already adds nothing: the same call twice leaves the same bytes.
 *
 * It vouches for the manifest as it is: verify an image that you did not just build before you sign it.
 *
 * @param path a local image file, writable
 * @throws BAD_ARGUMENT for a bad key, a scheme that does not fit it, or a certificate of none of the keys; LIMIT_EXCEEDED when the
 *   head has no room; FEATURE_UNSUPPORTED for a certificate of an Ed25519 key; what decodeHead and decodeManifest throw; PATH_MISSING, NOT_PERMITTED
 */
export async function signImage(path: string, options: SignOptions): Promise<SignReport> {
  const signers = new Signers(options);
  return withImage(path, 'r+', async (fd) => {
    const { manifest, pkcs7 } = readHead(fd);
    const { verity: { rootHash } } = decodeManifest(manifest);
    const { certificate } = options;
    const settled = certificate !== undefined && await isSignedWith(pkcs7, rootHash, certificate);
    return store(fd, signers.signManifest(manifest), settled ? undefined : await signers.signRootHash(rootHash));
  });
}

export interface SigningRequest {
  /** What the external key signs: the DSSE pre-authentication encoding of the manifest. */
  readonly pae: Uint8Array;
  /** DSSE envelope with the manifest inside and the signatures so far, JSON. */
  readonly envelope: Uint8Array;
  /** 64 lowercase hex digits: what a PKCS#7 signature is over. */
  readonly rootHash: string;
}

/** @throws what decodeHead, decodeManifest and decodeSignatures throw; PATH_MISSING, NOT_PERMITTED */
export function exportForSigning(path: string): Promise<SigningRequest> {
  return withImage(path, 'r', (fd) => {
    const head = readHead(fd);
    return {
      pae: preAuthEncoding(MANIFEST_TYPE, head.manifest), envelope: encodeEnvelope(head.manifest, signaturesOf(head)), rootHash: decodeManifest(head.manifest).verity.rootHash,
    };
  });
}

/**
 * Stores what an external signer made, after verifying it.
 *
 * @param path a local image file, writable
 * @param file contents of the signer's answer: the signature's bytes (ECDSA in DER), the same in base64, or a DSSE envelope;
 *   of an envelope, those signatures are taken that one of the keys made
 * @param publicKeys of the signer, PEM
 * @throws SIGNATURE_INVALID when none of the keys made it over this manifest; BAD_ARGUMENT for a bad key; BAD_FIELD for a broken
 *   envelope; LIMIT_EXCEEDED when there is no room; as {@link signImage}
 */
export async function importSignature(path: string, file: Uint8Array, publicKeys: readonly string[]): Promise<SignReport> {
  const keys = loadTrustedKeys(publicKeys, 'public key');
  return withImage(path, 'r+', (fd) => {
    const { manifest } = readHead(fd);
    const found = readAnswer(file, manifest, keys);
    if (found.length === 0) {
      throw new ThawfsError('SIGNATURE_INVALID', `signature to import: none of the ${keys.length} public keys given made it over the manifest of ${path}`, {
        detail: { path, keys: keys.map(({ keyId }) => keyId) }, suggestion: 'Sign the exported file as it is, with the digest of the scheme, and give the public key of that signer (docs/trust.md).',
      });
    }
    return store(fd, found, undefined);
  });
}

/**
 * Stores a PKCS#7 signature over the root hash that was made elsewhere, in place of another one, after verifying it.
 *
 * @param der as `openssl smime -sign -nocerts -noattr -binary -outform der` makes it
 * @param certificate of the signer, PEM
 * @throws what verifyRootHashSignature throws; as {@link signImage}
 */
export function importRootHashSignature(path: string, der: Uint8Array, certificate: string): Promise<SignReport> {
  return withImage(path, 'r+', async (fd) => {
    const { manifest, pkcs7 } = readHead(fd);
    await verifyRootHashSignature(der, decodeManifest(manifest).verity.rootHash, certificate);
    return store(fd, [], pkcs7 !== undefined && Buffer.compare(pkcs7, der) === 0 ? undefined : der);
  });
}

interface SignatureOf { readonly signature: Signature; readonly key: PublicKey }

function store(fd: number, made: readonly SignatureOf[], pkcs7: Uint8Array | undefined): SignReport {
  return withFileLock(fd, () => storeLocked(fd, made, pkcs7));
}

function storeLocked(fd: number, made: readonly SignatureOf[], pkcs7: Uint8Array | undefined): SignReport {
  const head = readHead(fd);
  let kept = signaturesOf(head);
  const added: Signature[] = [];
  for (const { signature, key } of made) {
    const isSame = ({ keyId, scheme }: Signature): boolean => keyId === signature.keyId && scheme === signature.scheme;
    if ([...kept, ...added].some((other) => isSame(other) && checkSignature(head.manifest, other, key))) continue;
    kept = kept.filter((other) => !isSame(other)); // A damaged one gives way.
    added.push(signature);
  }
  const signatures = [...kept, ...added];
  if (added.length > 0 || pkcs7 !== undefined) {
    replaceSignatures(fd, { ...(added.length === 0 ? {} : { signatures: encodeSignatures(signatures) }), ...(pkcs7 === undefined ? {} : { pkcs7 }) });
  }
  return { added: added.map(({ keyId, scheme }) => ({ keyId, scheme })), signatureCount: signatures.length, rootHashSigned: pkcs7 !== undefined };
}

function signaturesOf({ signatures }: Head): Signature[] {
  return signatures === undefined ? [] : decodeSignatures(signatures);
}

async function isSignedWith(pkcs7: Uint8Array | undefined, rootHash: string, certificate: string): Promise<boolean> {
  if (pkcs7 === undefined) return false;
  try {
    await verifyRootHashSignature(pkcs7, rootHash, certificate);
    return true;
  } catch {
    return false; // Of another certificate, or broken: it is replaced.
  }
}

/** A raw signature may look like anything, base64 and JSON too, so the readings are tried in turn until one verifies. */
function readAnswer(file: Uint8Array, manifest: Uint8Array, keys: readonly PublicKey[]): SignatureOf[] {
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1').trim();
  const readings: (() => ForeignSignature[])[] = [
    () => file.length <= SIGNATURE_MAX_SIZE ? [{ signature: file }] : [],
    () => /^[A-Za-z0-9+/\s]+={0,2}$/.test(text) ? [{ signature: new Uint8Array(Buffer.from(text, 'base64')) }] : [],
    () => text.startsWith('{') ? decodeEnvelope(file, manifest) : [],
  ];
  for (const reading of readings) {
    const found = reading().flatMap((signature) => identify(signature, manifest, keys) ?? []);
    if (found.length > 0) return found;
  }
  return [];
}

function identify({ signature, scheme }: ForeignSignature, manifest: Uint8Array, keys: readonly PublicKey[]): SignatureOf | undefined {
  for (const key of keys) {
    for (const fitting of scheme === undefined ? schemesOf(key.type) : [scheme]) {
      if (checkSignature(manifest, { scheme: fitting, signature }, key)) return { signature: { keyId: key.keyId, scheme: fitting, signature }, key };
    }
  }
  return undefined;
}

async function withImage<T>(path: string, flags: 'r' | 'r+', use: (fd: number) => T | Promise<T>): Promise<T> {
  let fd: number | undefined;
  try {
    fd = openSync(path, flags);
    return await use(fd);
  } catch (error) {
    throw ifErrno(error, flags === 'r' ? `reading ${path}` : `signing ${path}`);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
