/**
 * The signatures section of the head: a detached DSSE envelope (DSSE v1.0.2, envelope.md) in canonical JSON. The payload is the
 * manifest, which lies beside it in the head and is not repeated. `scheme` is our one additional field, as DSSE allows.
 */
import { decodeCanonicalJson, encodeCanonicalJson, type JsonValue } from '../bytes/canonical-json.js';
import { JsonFields } from '../bytes/json-fields.js';
import { ThawfsError } from '../errors.js';
import { KiB } from '../units.js';
import { MANIFEST_TYPE } from './manifest.js';

/** Signature schemes. One byte sequence has one meaning: the scheme is stated, never guessed from the key. */
export const signatureSchemes = ['ed25519', 'ecdsa-p256-sha256', 'ecdsa-p384-sha384', 'rsa-pss-sha256', 'rsa-pkcs1v15-sha256'] as const;
export type SignatureScheme = typeof signatureSchemes[number];

/** Most signatures of one image. */
export const SIGNATURES_MAX_COUNT = 32;
/** Bytes of the largest signature: RSA with 8192 bits. */
export const SIGNATURE_MAX_SIZE = KiB;
/** Bytes of the whole record: 32 signatures of RSA 4096 take 32 * (684 base64 + 128 around it) = 25.4 KiB. */
export const SIGNATURES_MAX_SIZE = 32 * KiB;
/** Bytes of the largest PKCS#7 section: one RSA 8192 signature (1 KiB) and the issuer's name. */
export const PKCS7_MAX_SIZE = 8 * KiB;

export interface Signature {
  /** SHA-256 of the key's SubjectPublicKeyInfo (DER), lowercase hex. A hint which key to try; it proves nothing. */
  readonly keyId: string;
  readonly scheme: SignatureScheme;
  /** Raw bytes; ECDSA as DER (SEC 1 ECDSA-Sig-Value). */
  readonly signature: Uint8Array;
}

/** @throws LIMIT_EXCEEDED when there are too many or they are too large; BAD_FIELD when there is none, or a key and scheme twice */
export function encodeSignatures(signatures: readonly Signature[]): Uint8Array {
  demandCount(signatures.length);
  demandDistinct(signatures);
  const bytes = encodeCanonicalJson({ payloadType: MANIFEST_TYPE, signatures: signatures.map(toRecord) });
  demandSize(bytes);
  return bytes;
}

/**
 * Strict: canonical JSON, canonical base64, known schemes, no other field, each (key, scheme) once.
 *
 * @returns in the order of the record; the caller owns them
 * @throws BAD_FIELD, LIMIT_EXCEEDED
 */
export function decodeSignatures(bytes: Uint8Array): Signature[] {
  demandSize(bytes);
  const top = new JsonFields(decodeCanonicalJson(bytes, 'signatures'), 'signatures');
  top.text('payloadType', new RegExp(`^${MANIFEST_TYPE.replace(/[.+]/g, '\\$&')}$`));
  const list = top.list('signatures');
  top.refuseOthers();
  demandCount(list.length);
  const signatures = list.map(fromRecord);
  demandDistinct(signatures);
  return signatures;
}

function toRecord({ keyId, scheme, signature }: Signature): JsonValue {
  return { keyid: keyId, scheme, sig: Buffer.from(signature).toString('base64') };
}

function fromRecord(value: JsonValue): Signature {
  const fields = new JsonFields(value, 'signatures.signatures');
  const keyId = fields.text('keyid', /^[0-9a-f]{64}$/);
  const scheme = fields.text('scheme', new RegExp(`^(?:${signatureSchemes.join('|')})$`)) as SignatureScheme;
  const text = fields.text('sig', /^[A-Za-z0-9+/]+={0,2}$/);
  fields.refuseOthers();
  const signature = new Uint8Array(Buffer.from(text, 'base64'));
  if (Buffer.from(signature).toString('base64') !== text) throw new ThawfsError('BAD_FIELD', 'signatures.sig: base64 is not in its canonical form', { detail: { record: 'signatures', field: 'sig' } });
  if (signature.length > SIGNATURE_MAX_SIZE) throw tooLarge(`a signature of ${signature.length} bytes, at most ${SIGNATURE_MAX_SIZE} are allowed`);
  return { keyId, scheme, signature };
}

function demandCount(count: number): void {
  if (count > SIGNATURES_MAX_COUNT) throw tooLarge(`${count}, at most ${SIGNATURES_MAX_COUNT} are allowed`);
  if (count === 0) throw new ThawfsError('BAD_FIELD', 'signatures: an empty list; an unsigned image has no signatures section', { detail: { record: 'signatures' } });
}

function demandDistinct(signatures: readonly Signature[]): void {
  const seen = new Set<string>();
  for (const { keyId, scheme } of signatures) {
    if (seen.has(keyId + scheme)) throw new ThawfsError('BAD_FIELD', `signatures: two of key ${keyId} with ${scheme}`, { detail: { record: 'signatures', field: 'keyid', keyId } });
    seen.add(keyId + scheme);
  }
}

function demandSize({ length }: Uint8Array): void {
  if (length > SIGNATURES_MAX_SIZE) throw tooLarge(`${length} bytes, at most ${SIGNATURES_MAX_SIZE} are allowed`);
}

function tooLarge(what: string): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', `signatures: ${what}`, { detail: { record: 'signatures' } });
}
