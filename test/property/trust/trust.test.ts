import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { toHex } from '../../../src/bytes/hex.js';
import { encodeManifest } from '../../../src/format/manifest.js';
import { decodeSignatures, encodeSignatures, signatureSchemes, type Signature } from '../../../src/format/signatures.js';
import { makeSignature, preAuthEncoding } from '../../../src/trust/dsse.js';
import { decodeEnvelope, encodeEnvelope } from '../../../src/trust/envelope.js';
import { generateKey, loadPrivateKey } from '../../../src/trust/keys.js';
import { evaluateTrust } from '../../../src/trust/policy.js';
import { SequenceLedger } from '../../../src/trust/sequence-ledger.js';
import { sampleManifest } from '../../helpers/sample-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const signature: fc.Arbitrary<Signature> = fc.record({
  keyId: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex), scheme: fc.constantFrom(...signatureSchemes), signature: fc.uint8Array({ minLength: 1, maxLength: 520 }),
});
const signatures = fc.uniqueArray(signature, { minLength: 1, maxLength: 32, selector: ({ keyId, scheme }) => keyId + scheme });

test('every record of signatures comes back, and has one spelling', () => {
  fc.assert(fc.property(signatures, (list) => {
    const bytes = encodeSignatures(list);
    expect(decodeSignatures(bytes)).toEqual(list);
    expect(Buffer.compare(encodeSignatures(decodeSignatures(bytes)), bytes)).toBe(0);
  }));
});

test('every envelope comes back', () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 1 }), signatures, (manifest, list) => {
    expect(decodeEnvelope(encodeEnvelope(manifest, list), manifest)).toEqual(list.map(({ scheme, signature: bytes }) => ({ scheme, signature: bytes })));
  }));
});

test('the pre-authentication encoding tells any two messages apart', () => {
  const message = fc.tuple(fc.string({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }));
  fc.assert(fc.property(message, message, ([typeA, bodyA], [typeB, bodyB]) => {
    const same = typeA === typeB && Buffer.compare(bodyA, bodyB) === 0;
    expect(preAuthEncoding(typeA, bodyA).equals(preAuthEncoding(typeB, bodyB))).toBe(same);
  }));
});

const keys = Array.from({ length: 4 }, () => loadPrivateKey(generateKey('ed25519').privatePem));
const manifest = encodeManifest(sampleManifest());
const elsewhere = encodeManifest(sampleManifest({ sequence: 8 }));
/** [key that signs, key id it claims, whether over this manifest] */
const claim = fc.tuple(fc.nat(3), fc.nat(3), fc.boolean());

test('an image is accepted exactly when enough distinct trusted keys have signed this manifest under their own id', () => {
  fc.assert(fc.property(fc.array(claim, { maxLength: 6 }), fc.subarray([0, 1, 2, 3]), fc.nat(3), fc.boolean(), (claims, trusted, wanted, allowUnsigned) => {
    const list = claims.map(([signer, claimed, here]) => ({ ...makeSignature(here ? manifest : elsewhere, keys[signer]!), keyId: keys[claimed]!.keyId }));
    const threshold = trusted.length === 0 ? 1 : 1 + wanted % trusted.length;
    const { refusal } = evaluateTrust({
      manifestBytes: manifest, signatures: list, policy: { keys: trusted.map((i) => keys[i]!), threshold, allowUnsigned, now: 0 },
    });
    const good = new Set(claims.filter(([signer, claimed, here]) => here && signer === claimed && trusted.includes(signer)).map(([signer]) => signer));
    const waived = allowUnsigned && (list.length === 0 || trusted.length === 0);
    expect(refusal === undefined).toBe(waived || (trusted.length > 0 && good.size >= threshold));
  }), { numRuns: 300 });
});

test('the ledger is a map of maxima', () => withTempDir((folder) => {
  const ledger = new SequenceLedger(folder);
  const model = new Map<string, number>();
  const name = fc.constantFrom('a', 'b/../c', 'é');
  const subset = fc.subarray(keys.map(({ keyId }) => keyId));
  fc.assert(fc.property(name, subset, fc.maxSafeNat(), subset, (image, raised, sequence, asked) => {
    ledger.raise(image, raised, sequence);
    for (const key of raised) model.set(`${image} ${key}`, Math.max(sequence, model.get(`${image} ${key}`) ?? 0));
    expect(ledger.lastSeen(image, asked)).toBe(Math.max(0, ...asked.map((key) => model.get(`${image} ${key}`) ?? 0)));
  }), { numRuns: 60 });
}));
