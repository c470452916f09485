/** The standard DSSE envelope with the payload inside: what other tools read, and what an external signer may send back. */
import { encodeCanonicalJson } from '../bytes/canonical-json.js';
import { ThawfsError } from '../errors.js';
import { MANIFEST_TYPE } from '../format/manifest.js';
import { signatureSchemes, SIGNATURE_MAX_SIZE, SIGNATURES_MAX_COUNT, SIGNATURES_MAX_SIZE, type Signature, type SignatureScheme } from '../format/signatures.js';

/** Bytes of the largest envelope that is read: the manifest in base64 and the signatures, with room for other fields. */
export const ENVELOPE_MAX_SIZE = 3 * SIGNATURES_MAX_SIZE;

/** @returns the envelope as canonical JSON; without signatures it is what an external signer completes. */
export function encodeEnvelope(manifest: Uint8Array, signatures: readonly Signature[]): Uint8Array {
  return encodeCanonicalJson({
    payload: Buffer.from(manifest).toString('base64'),
    payloadType: MANIFEST_TYPE,
    signatures: signatures.map(({ keyId, scheme, signature }) => ({ keyid: keyId, scheme, sig: Buffer.from(signature).toString('base64') })),
  });
}

/** A signature in somebody else's envelope: only its bytes are certain to be there. */
export interface ForeignSignature {
  readonly signature: Uint8Array;
  /** Absent when not stated, or not one of ours. */
  readonly scheme?: SignatureScheme;
}

/**
 * Reads an envelope as DSSE says: other fields are ignored, base64 may be the standard or the URL-safe one, key ids are hints (ours to ignore).
 *
 * @param manifest what the payload must be; an envelope without a payload is taken as detached
 * @throws BAD_FIELD when it is no envelope; LIMIT_EXCEEDED; SIGNATURE_INVALID when its payload is not this manifest
 */
export function decodeEnvelope(bytes: Uint8Array, manifest: Uint8Array): ForeignSignature[] {
  if (bytes.length > ENVELOPE_MAX_SIZE) throw tooLarge(`${bytes.length} bytes, at most ${ENVELOPE_MAX_SIZE} are allowed`);
  const { payload = '', payloadType, signatures } = parseObject(bytes);
  if (payloadType !== MANIFEST_TYPE) throw bad(`payloadType: expected ${MANIFEST_TYPE}`);
  if (payload !== '' && Buffer.compare(decodeBase64(payload, 'payload'), manifest) !== 0) {
    throw new ThawfsError('SIGNATURE_INVALID', 'envelope: its payload is not the manifest of this image', { suggestion: 'Sign what thawfs sign --export gave for this image.' });
  }
  if (!Array.isArray(signatures) || signatures.length === 0) throw bad('signatures: expected a list that is not empty');
  if (signatures.length > SIGNATURES_MAX_COUNT) throw tooLarge(`${signatures.length} signatures, at most ${SIGNATURES_MAX_COUNT} are allowed`);
  return signatures.map((item: unknown) => foreignSignature(item));
}

function foreignSignature(item: unknown): ForeignSignature {
  const { sig, scheme: stated } = isObject(item) ? item : {};
  const signature = decodeBase64(sig, 'signatures.sig');
  if (signature.length > SIGNATURE_MAX_SIZE) throw tooLarge(`a signature of ${signature.length} bytes, at most ${SIGNATURE_MAX_SIZE} are allowed`);
  const scheme = signatureSchemes.find((ours) => ours === stated);
  return { signature, ...(scheme === undefined ? {} : { scheme }) };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw bad('not valid JSON', cause);
  }
  if (!isObject(value)) throw bad('expected a JSON object');
  return value;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function decodeBase64(value: unknown, field: string): Uint8Array {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(value)) throw bad(`${field}: expected base64`);
  return new Uint8Array(Buffer.from(value, 'base64')); // Node reads both alphabets.
}

function bad(what: string, cause?: unknown): ThawfsError {
  return new ThawfsError('BAD_FIELD', `envelope: ${what}`, { detail: { record: 'envelope' }, cause, suggestion: 'Give a DSSE envelope, or the raw signature with its public key.' });
}

function tooLarge(what: string): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', `envelope: ${what}`, { detail: { record: 'envelope' } });
}
