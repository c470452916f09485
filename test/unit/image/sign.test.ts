import { spawn } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { MANIFEST_TYPE } from '../../../src/format/manifest.js';
import { decodeSignatures, encodeSignatures, type Signature } from '../../../src/format/signatures.js';
import { exportForSigning, importSignature, signImage } from '../../../src/image/sign.js';
import { checkSignature, makeSignature, preAuthEncoding } from '../../../src/trust/dsse.js';
import { generateKey, keyTypes, loadPrivateKey } from '../../../src/trust/keys.js';
import { sampleHead, sampleManifest, writeSampleImage } from '../../helpers/sample-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const pairs = keyTypes.map((type) => generateKey(type));
const [ed25519, p256, , rsa] = pairs as [typeof pairs[0], typeof pairs[0], typeof pairs[0], typeof pairs[0]];
const { manifest } = sampleHead();

function withImage(body: (path: string) => Promise<void>): Promise<void> {
  return withTempDir(async (folder) => {
    const path = join(folder, 'a.img.zst');
    const data = writeSampleImage(path);
    await body(path);
    expect(readFileSync(path).subarray(12288).equals(data)).toBe(true);
    expect(decodeHead(readFileSync(path)).manifest).toEqual(manifest);
  });
}
const signaturesOf = (path: string): Signature[] => decodeSignatures(decodeHead(readFileSync(path)).signatures!);
const refused = (action: Promise<unknown>, code: string): Promise<void> => expect(action).rejects.toThrow(expect.objectContaining({ name: 'ThawfsError', code }));

describe('signing in place', () => {
  test('with every type of key, one after another; all verify', () => withImage(async (path) => {
    for (const [i, { privatePem }] of pairs.entries()) {
      const { keyId } = loadPrivateKey(privatePem);
      expect(await signImage(path, { keys: [{ pem: privatePem }] })).toEqual({ added: [{ keyId, scheme: expect.any(String) as unknown }], signatureCount: i + 1, rootHashSigned: false });
    }
    const signatures = signaturesOf(path);
    expect(signatures.map(({ scheme }) => scheme)).toEqual(['ed25519', 'ecdsa-p256-sha256', 'ecdsa-p384-sha384', 'rsa-pss-sha256']);
    signatures.forEach((signature, i) => { expect(checkSignature(manifest, signature, loadPrivateKey(pairs[i]!.privatePem))).toBe(true); });
  }));

  test('leaves the head that the image would have been built with', () => withImage(async (path) => {
    await signImage(path, { keys: [{ pem: ed25519.privatePem }] });
    await signImage(path, { keys: [{ pem: rsa.privatePem, scheme: 'rsa-pkcs1v15-sha256' }] });
    const signatures = encodeSignatures([makeSignature(manifest, loadPrivateKey(ed25519.privatePem)), makeSignature(manifest, loadPrivateKey(rsa.privatePem), 'rsa-pkcs1v15-sha256')]);
    expect(Buffer.compare(readFileSync(path).subarray(0, 12288), encodeHead({ ...sampleHead(), signatures }))).toBe(0);
  }));

  test('the same key again changes no byte, although ECDSA would sign differently', () => withImage(async (path) => {
    await signImage(path, { keys: [{ pem: p256.privatePem }, { pem: p256.privatePem }] });
    const before = readFileSync(path);
    const { mtimeNs } = statSync(path, { bigint: true });
    expect(await signImage(path, { keys: [{ pem: p256.privatePem }] })).toEqual({ added: [], signatureCount: 1, rootHashSigned: false });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(statSync(path, { bigint: true }).mtimeNs).toBe(mtimeNs);
  }));

  test('a damaged signature of the key is replaced', () => withTempDir(async (folder) => {
    const path = join(folder, 'a.img.zst');
    const key = loadPrivateKey(ed25519.privatePem);
    const stranger = makeSignature(manifest, loadPrivateKey(p256.privatePem));
    const damaged = { ...makeSignature(manifest, key), signature: new Uint8Array(64) };
    writeSampleImage(path, { ...sampleHead(), signatures: encodeSignatures([damaged, stranger]) });
    await signImage(path, { keys: [{ pem: ed25519.privatePem }] });
    expect(signaturesOf(path)).toEqual([stranger, makeSignature(manifest, key)]);
  }));

  test('two signers at once lose nothing', () => withImage(async (path) => {
    await Promise.all(pairs.map(({ privatePem }) => signImage(path, { keys: [{ pem: privatePem }] })));
    expect(signaturesOf(path)).toHaveLength(4);
  }));

  test('several processes at once lose nothing', () => withImage(async (path) => {
    const module = new URL('../../../src/image/sign.js', import.meta.url).href;
    const script = `
      import { signImage } from '${module}';
      for (const pem of JSON.parse(process.argv[1])) await signImage('${path}', { keys: [{ pem }] });`;
    const groups = [0, 1, 2].map(() => Array.from({ length: 5 }, () => generateKey('ed25519').privatePem));
    const codes = await Promise.all(groups.map((pems) => new Promise((resolve) => {
      spawn(process.execPath, ['--input-type=module', '-e', script, JSON.stringify(pems)], { stdio: 'inherit' }).on('close', resolve);
    })));
    expect(codes).toEqual([0, 0, 0]);
    expect(signaturesOf(path).map(({ keyId }) => keyId).sort()).toEqual(groups.flat().map((pem) => loadPrivateKey(pem).keyId).sort());
  }));

  test('no room: refused, and the file is as it was', () => withImage(async (path) => {
    let before = readFileSync(path);
    let failure: unknown;
    for (let i = 0; failure === undefined && i < 40; i++) {
      before = readFileSync(path);
      await signImage(path, { keys: [{ pem: generateKey('ed25519').privatePem }] }).catch((error: unknown) => { failure = error; });
    }
    expect(failure).toEqual(expect.objectContaining({ code: 'LIMIT_EXCEEDED', suggestions: [expect.any(String)] as unknown }));
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(signaturesOf(path).length).toBeGreaterThan(15);
  }));

  test('what cannot be signed', () => withTempDir(async (folder) => {
    const keys = [{ pem: ed25519.privatePem }];
    const path = join(folder, 'a.img.zst');
    await refused(signImage(path, { keys }), 'PATH_MISSING');
    writeFileSync(path, 'text');
    await refused(signImage(path, { keys }), 'TRUNCATED');
    writeFileSync(path, Buffer.alloc(70_000));
    await refused(signImage(path, { keys }), 'BAD_MAGIC');
    writeSampleImage(path, { ...sampleHead(), manifest: Buffer.from('{}') });
    await refused(signImage(path, { keys }), 'BAD_FIELD');
    writeSampleImage(path, { ...sampleHead(), signatures: Buffer.from('{}') });
    await refused(signImage(path, { keys }), 'BAD_FIELD');
    writeSampleImage(path);
    await refused(signImage(path, { keys: [{ pem: ed25519.publicPem }] }), 'BAD_ARGUMENT');
    await refused(signImage(path, { keys: [{ ...keys[0]!, scheme: 'rsa-pss-sha256' }] }), 'BAD_ARGUMENT');
    await refused(signImage(folder, { keys }), 'IO_FAILED');
    expect(decodeHead(readFileSync(path)).signatures).toBeUndefined();
  }));
});

describe('a key that lives elsewhere', () => {
  const key = loadPrivateKey(rsa.privatePem);

  test('is given the pre-authentication encoding, the envelope and the root hash', () => withImage(async (path) => {
    await signImage(path, { keys: [{ pem: ed25519.privatePem }] });
    const { pae, envelope, rootHash } = await exportForSigning(path);
    expect(Buffer.compare(pae, preAuthEncoding(MANIFEST_TYPE, manifest))).toBe(0);
    expect(rootHash).toBe(sampleManifest().verity.rootHash);
    expect(JSON.parse(Buffer.from(envelope).toString())).toEqual({
      payload: Buffer.from(manifest).toString('base64'), payloadType: MANIFEST_TYPE,
      signatures: [{ keyid: loadPrivateKey(ed25519.privatePem).keyId, scheme: 'ed25519', sig: Buffer.from(signaturesOf(path)[0]!.signature).toString('base64') }],
    });
  }));

  const answers: [string, (signature: Uint8Array) => Uint8Array][] = [
    ['bytes', (signature) => signature],
    ['base64 in lines', (signature) => Buffer.from(`${Buffer.from(signature).toString('base64').replace(/.{64}/g, '$&\n')}\n`)],
    ['an envelope without payload', (signature) => Buffer.from(JSON.stringify({ payloadType: MANIFEST_TYPE, signatures: [{ keyid: 'hsm-7', sig: Buffer.from(signature).toString('base64url') }] }))],
    ['an envelope with the manifest and a stranger', (signature) => Buffer.from(JSON.stringify({
      payload: Buffer.from(manifest).toString('base64'), payloadType: MANIFEST_TYPE, signatures: [{ sig: 'AAAA' }, { sig: Buffer.from(signature).toString('base64') }],
    }, null, 2))],
  ];
  test.each(answers)('answers with %s, for each RSA scheme', (_, answer) => withImage(async (path) => {
    for (const scheme of ['rsa-pss-sha256', 'rsa-pkcs1v15-sha256'] as const) {
      const made = makeSignature(manifest, key, scheme);
      const file = answer(made.signature);
      expect(await importSignature(path, file, [ed25519.publicPem, rsa.publicPem])).toMatchObject({ added: [{ keyId: key.keyId, scheme }] });
      expect(signaturesOf(path)).toContainEqual(made);
      expect(await importSignature(path, file, [rsa.publicPem])).toMatchObject({ added: [] });
    }
  }));

  test('is verified before it is stored', () => withImage(async (path) => {
    const { signature } = makeSignature(manifest, key);
    const before = readFileSync(path);
    const foreign = Buffer.from(JSON.stringify({ payloadType: MANIFEST_TYPE, payload: 'e30=', signatures: [{ sig: Buffer.from(signature).toString('base64') }] }));
    const elsewhere = makeSignature(Buffer.from('{}'), key).signature;
    for (const [file, publicPem] of [[signature, ed25519.publicPem], [elsewhere, rsa.publicPem], [foreign, rsa.publicPem], [new Uint8Array(0), rsa.publicPem], [new Uint8Array(90_000), rsa.publicPem]] as const) {
      await refused(importSignature(path, file, [publicPem]), 'SIGNATURE_INVALID');
    }
    await refused(importSignature(path, signature, []), 'SIGNATURE_INVALID');
    await refused(importSignature(path, Buffer.from('{'), [rsa.publicPem]), 'BAD_FIELD');
    await refused(importSignature(path, signature, [rsa.privatePem]), 'BAD_ARGUMENT');
    expect(readFileSync(path).equals(before)).toBe(true);
  }));
});
