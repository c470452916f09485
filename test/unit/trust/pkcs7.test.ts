import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generateKey, loadPrivateKey, type KeyType, type SigningKey } from '../../../src/trust/keys.js';
import { signRootHash, verifyRootHashSignature } from '../../../src/trust/pkcs7.js';
import { missing } from '../../helpers/oracle.js';
import { selfSign } from '../../helpers/openssl.js';

// Certificates are made by openssl; what it thinks of our signatures is asked in test/oracle/trust.
const describeWithOpenssl = missing(['openssl']).length === 0 ? describe : describe.skip;
const rootHash = '0123456789abcdef'.repeat(4);
let folder = '';
const signers = new Map<string, { key: SigningKey; certificate: string }>();

function issue(name: string, type: KeyType, subject: string): void {
  const { privatePem } = generateKey(type);
  writeFileSync(join(folder, `${name}.key`), privatePem);
  selfSign(join(folder, `${name}.key`), join(folder, `${name}.crt`), subject);
  signers.set(name, { key: loadPrivateKey(privatePem), certificate: readFileSync(join(folder, `${name}.crt`), 'utf8') });
}

beforeAll(() => {
  if (missing(['openssl']).length > 0) return;
  folder = mkdtempSync(join(tmpdir(), 'thawfs-test-'));
  issue('rsa', 'rsa', '/CN=rsa');
  issue('p256', 'ecdsa-p256', '/CN=p256');
  issue('p384', 'ecdsa-p384', '/CN=p384');
  issue('ed25519', 'ed25519', '/CN=ed25519');
  issue('other', 'ecdsa-p256', '/CN=p256');
});
afterAll(() => { if (folder !== '') rmSync(folder, { recursive: true }); });

const refused = (action: Promise<unknown>, code: string): Promise<void> => expect(action).rejects.toThrow(expect.objectContaining({ code }));

describeWithOpenssl('PKCS#7 over the root hash', () => {
  test.each(['rsa', 'p256', 'p384'])('%s: is verified with its certificate, over this root hash only', async (name) => {
    const { key, certificate } = signers.get(name)!;
    const der = await signRootHash(rootHash, key, certificate);
    await verifyRootHashSignature(der, rootHash, certificate);
    await refused(verifyRootHashSignature(der, rootHash.replace('0', '1'), certificate), 'SIGNATURE_INVALID');
    await refused(verifyRootHashSignature(der, rootHash.toUpperCase(), certificate), 'SIGNATURE_INVALID');
    for (const other of ['rsa', 'p256', 'p384', 'other'].filter((candidate) => candidate !== name)) {
      await refused(verifyRootHashSignature(der, rootHash, signers.get(other)!.certificate), 'KEY_UNTRUSTED');
    }
  });

  test('the certificate must be of the key', async () => {
    await refused(signRootHash(rootHash, signers.get('p256')!.key, signers.get('other')!.certificate), 'BAD_ARGUMENT');
    await refused(signRootHash(rootHash, signers.get('ed25519')!.key, signers.get('rsa')!.certificate), 'BAD_ARGUMENT');
    await refused(signRootHash(rootHash, signers.get('rsa')!.key, 'nothing'), 'BAD_ARGUMENT');
    await refused(signRootHash(rootHash, signers.get('rsa')!.key, generateKey('rsa').publicPem), 'BAD_ARGUMENT');
  });

  test('Ed25519 is not for kernels', async () => {
    const { key, certificate } = signers.get('ed25519')!;
    await refused(signRootHash(rootHash, key, certificate), 'FEATURE_UNSUPPORTED');
    await refused(verifyRootHashSignature(new Uint8Array(9), rootHash, certificate), 'FEATURE_UNSUPPORTED');
  });

  test('every changed byte is refused, and every cut', async () => {
    const { key, certificate } = signers.get('p256')!;
    const der = await signRootHash(rootHash, key, certificate);
    const codes = ['BAD_FIELD', 'FEATURE_UNSUPPORTED', 'KEY_UNTRUSTED', 'SIGNATURE_INVALID'];
    const refusal = expect.objectContaining({ name: 'ThawfsError', code: expect.stringMatching(`^(?:${codes.join('|')})$`) as unknown });
    const accepted: number[] = [];
    for (let at = 0; at < der.length; at++) {
      const changed = der.slice();
      changed[at]! ^= 0x04;
      await verifyRootHashSignature(changed, rootHash, certificate).then(() => { accepted.push(at); }, (error: unknown) => { expect(error).toEqual(refusal); });
      await expect(verifyRootHashSignature(der.subarray(0, at), rootHash, certificate)).rejects.toEqual(refusal);
    }
    // Nothing is at stake in lengths, version numbers, the outer list of digest algorithms and string types of the name: the signature does not
    // cover them. From the serial number on, only the parameters that say nothing (NULL) may differ.
    const serialAt = Buffer.from(der).indexOf(Buffer.from(new X509Certificate(certificate).serialNumber, 'hex'));
    expect(serialAt).toBeGreaterThan(0);
    expect(accepted.filter((at) => at >= serialAt).length).toBeLessThanOrEqual(1);
  });

  test('bytes behind it, a large one, another structure', async () => {
    const { key, certificate } = signers.get('rsa')!;
    const der = await signRootHash(rootHash, key, certificate);
    await refused(verifyRootHashSignature(Buffer.concat([der, Buffer.alloc(1)]), rootHash, certificate), 'BAD_FIELD');
    await refused(verifyRootHashSignature(new Uint8Array(8193), rootHash, certificate), 'LIMIT_EXCEEDED');
    await refused(verifyRootHashSignature(Buffer.from('3000', 'hex'), rootHash, certificate), 'BAD_FIELD');
    await refused(verifyRootHashSignature(Buffer.alloc(8000, Buffer.from('3080', 'hex')), rootHash, certificate), 'BAD_FIELD');
  });
});
