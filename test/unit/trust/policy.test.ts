import { describe, expect, test } from '@jest/globals';
import { encodeManifest } from '../../../src/format/manifest.js';
import type { Signature } from '../../../src/format/signatures.js';
import { openImage } from '../../../src/image/open.js';
import { makeSignature } from '../../../src/trust/dsse.js';
import { generateKey, loadPrivateKey, type SigningKey } from '../../../src/trust/keys.js';
import { evaluateTrust, requireTrust, type SequenceMemory, type TrustPolicy } from '../../../src/trust/policy.js';
import { sampleManifest } from '../../helpers/sample-image.js';

const newKey = (): SigningKey => loadPrivateKey(generateKey('ed25519').privatePem);
const [alice, bob, carol] = [newKey(), newKey(), newKey()];
const rsa = loadPrivateKey(generateKey('rsa').privatePem);
const manifest = encodeManifest(sampleManifest());
const other = encodeManifest(sampleManifest({ name: 'other' }));
const by = (...keys: SigningKey[]): Signature[] => keys.map((key) => makeSignature(manifest, key));

function outcome(signatures: readonly Signature[], policy: Partial<TrustPolicy> = {}, manifestBytes = manifest): string {
  return evaluateTrust({ manifestBytes, signatures, policy: { keys: [alice], now: 0, ...policy } }).refusal?.code ?? 'accepted';
}

describe('signatures', () => {
  test.each<[string, readonly Signature[], Partial<TrustPolicy>, string]>([
    ['signed by the trusted key', by(alice), {}, 'accepted'],
    ['unsigned', [], {}, 'SIGNATURE_MISSING'],
    ['unsigned, no key, not allowed', [], { keys: [] }, 'SIGNATURE_MISSING'],
    ['unsigned and allowed', [], { allowUnsigned: true }, 'accepted'],
    ['signed by somebody else', by(bob, carol), {}, 'KEY_UNTRUSTED'],
    ['signed, and no key given', by(alice), { keys: [] }, 'KEY_UNTRUSTED'],
    ['signed, no key given, unsigned allowed', by(alice), { keys: [], allowUnsigned: true }, 'accepted'],
    ['signed by somebody else, unsigned allowed', by(bob), { allowUnsigned: true }, 'KEY_UNTRUSTED'],
    ['a signature of another image', [makeSignature(other, alice)], {}, 'SIGNATURE_INVALID'],
    ['a signature of another image, unsigned allowed', [makeSignature(other, alice)], { allowUnsigned: true }, 'SIGNATURE_INVALID'],
    ['signatures with their key ids swapped', by(alice, bob).map((signature, i) => ({ ...signature, keyId: [bob, alice][i]!.keyId })), { keys: [alice, bob] }, 'SIGNATURE_INVALID'],
    ['a stranger under the trusted key id', by(bob).map((signature) => ({ ...signature, keyId: alice.keyId })), {}, 'SIGNATURE_INVALID'],
    ['a good one beside a bad one', [makeSignature(other, bob), ...by(alice)], { keys: [alice, bob] }, 'accepted'],
    ['a good one beside strangers', by(bob, alice, carol), {}, 'accepted'],
    ['two of two', by(alice, bob), { keys: [alice, bob], threshold: 2 }, 'accepted'],
    ['two of three', by(carol, alice), { keys: [alice, bob, carol], threshold: 2 }, 'accepted'],
    ['one of two', by(alice, carol), { keys: [alice, bob], threshold: 2 }, 'THRESHOLD_NOT_MET'],
    ['one of two, unsigned allowed', by(alice), { keys: [alice, bob], threshold: 2, allowUnsigned: true }, 'THRESHOLD_NOT_MET'],
    ['none of two', by(carol), { keys: [alice, bob], threshold: 2 }, 'KEY_UNTRUSTED'],
    ['one good and one bad of two', [...by(alice), makeSignature(other, bob)], { keys: [alice, bob], threshold: 2 }, 'SIGNATURE_INVALID'],
    ['the same signature twice', by(alice, alice), { keys: [alice, bob], threshold: 2 }, 'THRESHOLD_NOT_MET'],
    ['one key with two schemes', [makeSignature(manifest, rsa), makeSignature(manifest, rsa, 'rsa-pkcs1v15-sha256')], { keys: [alice, rsa], threshold: 2 }, 'THRESHOLD_NOT_MET'],
  ])('%s: %s', (_, signatures, policy, expected) => expect(outcome(signatures, policy)).toBe(expected));

  test('one trusted key given twice is one key', () => {
    expect(() => outcome(by(alice), { keys: [alice, alice], threshold: 2 })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });

  test.each([0, -1, 1.5, NaN, 3])('threshold %s of two keys can never be met', (threshold) => {
    expect(() => outcome(by(alice, bob), { keys: [alice, bob], threshold })).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });

  test('an altered manifest is never parsed, whichever byte it is', () => {
    const signatures = by(alice);
    for (let at = 0; at < manifest.length; at++) {
      const altered = manifest.slice();
      altered[at]! ^= 1;
      expect(outcome(signatures, {}, altered)).toBe('SIGNATURE_INVALID');
    }
  });

  test('the report lists every signature with its state', () => {
    const signatures = [makeSignature(other, bob), ...by(alice, carol)];
    const report = evaluateTrust({ manifestBytes: manifest, signatures, policy: { keys: [alice, bob], now: 0 } });
    expect(report.signatures).toEqual([
      { keyId: bob.keyId, scheme: 'ed25519', state: 'invalid' },
      { keyId: alice.keyId, scheme: 'ed25519', state: 'valid' },
      { keyId: carol.keyId, scheme: 'ed25519', state: 'untrusted' },
    ]);
    expect(report.signedBy).toEqual([alice.keyId]);
    expect(report.manifest?.name).toBe('sample');
  });
});

describe('what the manifest says', () => {
  const dated = encodeManifest(sampleManifest({ sequence: 7, expires: 1000 }));
  const signatures = [makeSignature(dated, alice)];
  const check = (policy: Partial<TrustPolicy>): string => outcome(signatures, policy, dated);

  test('expiry: until its second, not after', () => {
    expect(check({ now: 1000 })).toBe('accepted');
    expect(check({ now: 1001 })).toBe('IMAGE_EXPIRED');
  });

  test('sequence: the same or higher', () => {
    expect(check({ minimumSequence: 7 })).toBe('accepted');
    expect(check({ minimumSequence: 8 })).toBe('SEQUENCE_ROLLBACK');
  });

  test('rollback is said before expiry, and signatures before both', () => {
    expect(check({ minimumSequence: 8, now: 1001 })).toBe('SEQUENCE_ROLLBACK');
    expect(check({ minimumSequence: 8, now: 1001, keys: [bob] })).toBe('KEY_UNTRUSTED');
  });

  test('both hold for an unsigned image too', () => {
    expect(outcome([], { allowUnsigned: true, now: 1001 }, dated)).toBe('IMAGE_EXPIRED');
    expect(outcome([], { allowUnsigned: true, minimumSequence: 8 }, dated)).toBe('SEQUENCE_ROLLBACK');
  });

  test('a manifest that was signed broken is a format error', () => {
    const broken = Buffer.from('{}');
    expect(() => outcome([makeSignature(broken, alice)], {}, broken)).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });
});

describe('requireTrust', () => {
  function memory(seen = 0): SequenceMemory & { readonly raised: unknown[] } {
    const raised: unknown[] = [];
    return { raised, lastSeen: () => seen, raise: (...call) => { raised.push(call); } };
  }

  test('remembers what it accepts, under all trusted keys', () => {
    const sequences = memory(7);
    const { manifest: accepted } = requireTrust({ manifestBytes: manifest, signatures: by(alice), policy: { keys: [alice, bob], now: 0, sequences } });
    expect(accepted).toEqual(sampleManifest());
    expect(sequences.raised).toEqual([['sample', [alice.keyId, bob.keyId], 7]]);
  });

  test('throws the refusal, and remembers nothing', () => {
    const sequences = memory(8);
    expect(() => requireTrust({ manifestBytes: manifest, signatures: by(alice), policy: { keys: [alice], now: 0, sequences } }))
      .toThrow(expect.objectContaining({ code: 'SEQUENCE_ROLLBACK', kind: 'trust', detail: { name: 'sample', sequence: 7, minimumSequence: 8 } }));
    expect(sequences.raised).toEqual([]);
  });

  test('an unsigned image raises nothing', () => {
    const sequences = memory();
    requireTrust({ manifestBytes: manifest, signatures: [], policy: { keys: [alice], allowUnsigned: true, now: 0, sequences } });
    expect(sequences.raised).toEqual([]);
  });
});

test('every refusal says what to do', () => {
  const dated = encodeManifest(sampleManifest({ expires: 1 }));
  const cases: [Signature[], Partial<TrustPolicy>, Uint8Array?][] = [
    [[], {}], [by(bob), {}], [by(bob), { keys: [] }], [[makeSignature(other, alice)], {}], [by(alice), { keys: [alice, bob], threshold: 2 }],
    [by(alice), { minimumSequence: 99 }], [[makeSignature(dated, alice)], { now: 2 }, dated],
  ];
  const refusals = cases.map(([signatures, policy, bytes = manifest]) => evaluateTrust({ manifestBytes: bytes, signatures, policy: { keys: [alice], now: 0, ...policy } }).refusal!);
  for (const refusal of refusals) expect(refusal.suggestions).toHaveLength(1);
  expect(refusals.map(({ message }) => message.replace(/[0-9a-f]{64}/g, 'KEY'))).toEqual([
    'the image is not signed, and the trust policy wants a signature',
    'the image is signed, but not by a trusted key (of 1)',
    'the image is signed, but no trusted key was given',
    'the ed25519 signature that claims trusted key KEY is not over this manifest',
    '1 trusted key has signed, the trust policy wants 2',
    'image sample has sequence 7, and 99 is the lowest accepted here',
    'image sample expired at 1970-01-01T00:00:01.000Z',
  ]);
});

test('none, as programs in JavaScript forget it: says so, before anything is read', async () => {
  const refused = expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining('no trust policy') as unknown }) as unknown;
  for (const options of [undefined, {}, { trust: {} }]) await expect(openImage('missing', options as never)).rejects.toEqual(refused);
});
