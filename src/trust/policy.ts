/**
 * Whether an image may be used. The order of the rules, and why (docs/trust.md, "Order of checks"): signatures before anything the
 * manifest says, because until then nobody vouches for what it says; then rollback, then expiry, as TUF does, so that an
 * old image that was put in place of a newer one is called what it is even when it has expired too.
 */
import { ThawfsError, type ErrorCode } from '../errors.js';
import { decodeManifest, type Manifest } from '../format/manifest.js';
import type { Signature, SignatureScheme } from '../format/signatures.js';
import { checkSignature } from './dsse.js';
import type { PublicKey } from './keys.js';

/** Remembers the highest sequence accepted; `SequenceLedger` keeps it on disk. */
export interface SequenceMemory {
  /** @returns the highest sequence accepted for `name` under any of the keys, 0 when none was */
  lastSeen(name: string, keyIds: readonly string[]): number;
  /** Never lowers. */
  raise(name: string, keyIds: readonly string[], sequence: number): void;
}

export interface TrustPolicy {
  /** Whose signatures count. */
  readonly keys: readonly PublicKey[];
  /** Distinct keys that must have signed; default 1. */
  readonly threshold?: number;
  /** Accept an image without signatures, and any image when `keys` is empty; default false. */
  readonly allowUnsigned?: boolean;
  /** Refuse a lower sequence. */
  readonly minimumSequence?: number;
  /** Refuse a lower sequence than it has seen for the image's name. */
  readonly sequences?: SequenceMemory;
  /** Seconds since 1970; an image that expires before is refused. */
  readonly now: number;
}

/**
 * valid: made by a trusted key over this manifest. invalid: claims a trusted key, which did not make it over this manifest.
 * untrusted: names a key that is not trusted, so nothing can be said about it.
 */
export type SignatureState = 'valid' | 'invalid' | 'untrusted';

export interface TrustReport {
  /** Every signature of the image, in its order. */
  readonly signatures: readonly { readonly keyId: string; readonly scheme: SignatureScheme; readonly state: SignatureState }[];
  /** Distinct trusted keys that signed. */
  readonly signedBy: readonly string[];
  /** Decoded once the signature rules are met, not before. */
  readonly manifest?: Manifest;
  /** The first rule that is not met. Absent: the image may be used. */
  readonly refusal?: ThawfsError;
}

/** A report as it is shown where nothing is refused. */
export interface TrustSummary extends Pick<TrustReport, 'signatures'> {
  /** Whether the policy would accept the image, and the code of the rule that refuses it. */
  readonly trusted: boolean;
  readonly refusal?: { readonly code: string; readonly message: string };
}

export interface TrustInput {
  /** As it lies in the head. */
  readonly manifestBytes: Uint8Array;
  /** Decoded signatures section, empty when there is none. */
  readonly signatures: readonly Signature[];
  readonly policy: TrustPolicy;
}

/**
 * Looks, and changes nothing. Cost: one verification per signature of a trusted key, at most 32.
 *
 * @throws BAD_ARGUMENT for a policy that no image can meet; what decodeManifest throws for a manifest that was signed and is still wrong
 */
export function evaluateTrust({ manifestBytes, signatures, policy }: TrustInput): TrustReport {
  demandPolicy(policy);
  const keys = new Map(policy.keys.map((key) => [key.keyId, key]));
  const threshold = policy.threshold ?? 1;
  demandPossible(threshold, keys.size);
  const states = signatures.map(({ keyId, scheme, signature }) => {
    const key = keys.get(keyId);
    const state: SignatureState = key === undefined ? 'untrusted' : checkSignature(manifestBytes, { scheme, signature }, key) ? 'valid' : 'invalid';
    return { keyId, scheme, state };
  });
  const signedBy = [...new Set(states.filter(({ state }) => state === 'valid').map(({ keyId }) => keyId))];
  const report: TrustReport = { signatures: states, signedBy };
  const refusal = refuseSignatures(report, keys.size, threshold, policy.allowUnsigned ?? false);
  if (refusal !== undefined) return { ...report, refusal };
  const manifest = decodeManifest(manifestBytes);
  const stale = refuseRollback(manifest, policy, [...keys.keys()]) ?? refuseExpired(manifest, policy.now);
  return { ...report, manifest, ...(stale === undefined ? {} : { refusal: stale }) };
}

/**
 * Programs in JavaScript forget it.
 *
 * @throws BAD_ARGUMENT when there is none
 */
export function demandPolicy(policy: TrustPolicy | undefined): void {
  if (!Array.isArray(policy?.keys)) {
    throw new ThawfsError('BAD_ARGUMENT', 'there is no trust policy: nothing says whose images are accepted', {
      suggestion: 'Give one as the option trust: { keys: loadTrustedKeys(pemTexts), now: Date.now() / 1000 }, or { keys: [], allowUnsigned: true, now: 0 }.',
    });
  }
}

/** @returns what {@link evaluateTrust} found, in words; throws as that */
export function summariseTrust(input: TrustInput): TrustSummary {
  const { signatures, refusal } = evaluateTrust(input);
  return { signatures, trusted: refusal === undefined, ...(refusal === undefined ? {} : { refusal: { code: refusal.code, message: refusal.message } }) };
}

/**
 * Accepts an image for use, or throws. What was accepted is remembered in `policy.sequences`, if a trusted key signed it: an
 * unsigned image must not be able to lock the signed ones out.
 *
 * @throws the report's refusal: SIGNATURE_MISSING, KEY_UNTRUSTED, SIGNATURE_INVALID, THRESHOLD_NOT_MET, SEQUENCE_ROLLBACK or
 *   IMAGE_EXPIRED; and what {@link evaluateTrust} and the memory throw
 */
export function requireTrust(input: TrustInput): TrustReport & { readonly manifest: Manifest } {
  const report = evaluateTrust(input);
  if (report.refusal !== undefined) throw report.refusal;
  const manifest = report.manifest!; // Without a refusal the rules on its content were looked at.
  if (report.signedBy.length > 0) {
    input.policy.sequences?.raise(manifest.name, input.policy.keys.map(({ keyId }) => keyId), manifest.sequence);
  }
  return { ...report, manifest };
}

function demandPossible(threshold: number, keyCount: number): void {
  if (!Number.isSafeInteger(threshold) || threshold < 1 || (keyCount > 0 && threshold > keyCount)) {
    throw new ThawfsError('BAD_ARGUMENT', `trust policy: a threshold of ${threshold} with ${keyCount} distinct trusted keys can never be met`, {
      detail: { threshold, keys: keyCount }, suggestion: 'Give a threshold from 1 to the number of trusted keys.',
    });
  }
}

function refuseSignatures(report: TrustReport, keyCount: number, threshold: number, allowUnsigned: boolean): ThawfsError | undefined {
  const { signatures, signedBy } = report;
  if (keyCount > 0 && signedBy.length >= threshold) return undefined;
  if (allowUnsigned && (signatures.length === 0 || keyCount === 0)) return undefined;
  const detail = { threshold, signedBy, signatures: signatures.map(({ keyId, scheme, state }) => `${keyId} ${scheme} ${state}`) };
  const refuse = (code: ErrorCode, message: string, suggestion: string): ThawfsError => new ThawfsError(code, message, { detail, suggestion });
  if (signatures.length === 0) {
    return refuse('SIGNATURE_MISSING', 'the image is not signed, and the trust policy wants a signature',
      'Sign it with thawfs sign, or allow unsigned images explicitly (--allow-unsigned).');
  }
  const invalid = signatures.find(({ state }) => state === 'invalid');
  if (invalid !== undefined) {
    return refuse('SIGNATURE_INVALID', `the ${invalid.scheme} signature that claims trusted key ${invalid.keyId} is not over this manifest`,
      'Do not use the image: it was altered or damaged. Fetch it again from its origin.');
  }
  if (signedBy.length === 0) {
    return refuse('KEY_UNTRUSTED', keyCount === 0 ? 'the image is signed, but no trusted key was given' : `the image is signed, but not by a trusted key (of ${keyCount})`,
      'Compare the key ids with the publisher, then name the right public key (--trust).');
  }
  return refuse('THRESHOLD_NOT_MET', `${signedBy.length} trusted ${signedBy.length === 1 ? 'key has' : 'keys have'} signed, the trust policy wants ${threshold}`,
    'Have the other key holders sign it (thawfs sign), or lower the threshold.');
}

function refuseRollback({ name, sequence }: Manifest, { minimumSequence, sequences }: TrustPolicy, keyIds: readonly string[]): ThawfsError | undefined {
  const least = Math.max(minimumSequence ?? 0, sequences?.lastSeen(name, keyIds) ?? 0);
  if (sequence >= least) return undefined;
  return new ThawfsError('SEQUENCE_ROLLBACK', `image ${name} has sequence ${sequence}, and ${least} is the lowest accepted here`, {
    detail: { name, sequence, minimumSequence: least },
    suggestion: 'Use a newer image; to go back on purpose, publish the old content with a higher sequence.',
  });
}

function refuseExpired({ name, expires }: Manifest, now: number): ThawfsError | undefined {
  if (expires === undefined || now <= expires) return undefined;
  return new ThawfsError('IMAGE_EXPIRED', `image ${name} expired at ${new Date(expires * 1000).toISOString()}`, {
    detail: { name, expires, now }, suggestion: 'Get a newer image, and check the clock of this machine.',
  });
}
