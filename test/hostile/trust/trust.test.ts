import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeHead, encodeHead } from '../../../src/chunk/head.js';
import { hasCode } from '../../../src/errors.js';
import { decodeSignatures, encodeSignatures } from '../../../src/format/signatures.js';
import { exportForSigning, importSignature, signImage } from '../../../src/image/sign.js';
import { checkSignature, makeSignature } from '../../../src/trust/dsse.js';
import { decodeEnvelope, encodeEnvelope } from '../../../src/trust/envelope.js';
import { generateKey, keyTypes, loadPrivateKey } from '../../../src/trust/keys.js';
import { signRootHash, verifyRootHashSignature } from '../../../src/trust/pkcs7.js';
import { missing } from '../../helpers/oracle.js';
import { selfSign } from '../../helpers/openssl.js';
import { sampleHead, writeSampleImage } from '../../helpers/sample-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const { manifest } = sampleHead();
const keys = keyTypes.map((type) => loadPrivateKey(generateKey(type).privatePem));
const signatures = keys.map((key) => makeSignature(manifest, key));
const record = encodeSignatures(signatures);

/** Bytes of `original` with some bytes changed, removed or put in. */
function mutated(original: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.tuple(fc.nat(original.length - 1), fc.nat(3), fc.uint8Array({ minLength: 1, maxLength: 8 }));
  return fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => edits.reduce<Uint8Array>((bytes, [at, removed, put]) => (
    Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(Math.min(bytes.length, at + removed + (put.length % 2)))])
  ), original));
}

function typedOrFine(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    if (!hasCode(error)) throw error;
  }
}

describe('damaged records end in a typed error', () => {
  test('signatures', () => {
    fc.assert(fc.property(fc.oneof(mutated(record), fc.uint8Array({ maxLength: 200 })), (bytes) => { typedOrFine(() => decodeSignatures(bytes)); }), { numRuns: 1000 });
    for (let size = 0; size < record.length; size++) expect(() => decodeSignatures(record.subarray(0, size))).toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
  });

  test('envelopes', () => {
    const envelope = encodeEnvelope(manifest, signatures);
    fc.assert(fc.property(fc.oneof(mutated(envelope), fc.json().map((text) => Buffer.from(text))), (bytes) => { typedOrFine(() => decodeEnvelope(bytes, manifest)); }), { numRuns: 1000 });
    typedOrFine(() => decodeEnvelope(Buffer.from('['.repeat(90_000)), manifest));
    typedOrFine(() => decodeEnvelope(Buffer.from('{"a":'.repeat(18_000)), manifest));
  });

  test('signature bytes, under any scheme and key', () => {
    fc.assert(fc.property(fc.constantFrom(...signatures), fc.constantFrom(...keys), fc.infiniteStream(fc.nat(255)), fc.nat(1100), (made, key, bytes, size) => {
      const garbage = Uint8Array.from([...bytes.take(size)]);
      expect(checkSignature(manifest, { scheme: made.scheme, signature: garbage }, key)).toBe(false);
    }), { numRuns: 200 });
  });

  test('images: every byte of the head changed, when somebody signs, exports or imports', () => withTempDir(async (folder) => {
    const path = join(folder, 'a.img.zst');
    const head = encodeHead({ ...sampleHead(), signatures: record });
    const key = generateKey('ed25519');
    const { signature } = makeSignature(manifest, loadPrivateKey(key.privatePem));
    for (let at = 0; at < 3000; at += at < 64 ? 1 : 41) {
      const changed = head.slice();
      changed[at]! ^= 0x21;
      for (const action of [
        () => signImage(path, { keys: [{ pem: key.privatePem }] }), () => exportForSigning(path), () => importSignature(path, signature, [key.publicPem]),
      ]) {
        writeFileSync(path, changed);
        await action().catch((error: unknown) => { if (!hasCode(error)) throw error; });
      }
    }
  }));
});

describe('damaged PKCS#7', () => {
  const withOpenssl = missing(['openssl']).length === 0 ? test : test.skip;
  const rootHash = 'ab'.repeat(32);
  let folder = '';
  const samples: { der: Uint8Array; certificate: string }[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'thawfs-test-'));
    if (missing(['openssl']).length > 0) return;
    for (const type of ['rsa', 'ecdsa-p256'] as const) {
      const { privatePem } = generateKey(type);
      writeFileSync(join(folder, 'key'), privatePem);
      selfSign(join(folder, 'key'), join(folder, 'crt'), '/CN=x');
      const certificate = readFileSync(join(folder, 'crt'), 'utf8');
      samples.push({ der: await signRootHash(rootHash, loadPrivateKey(privatePem), certificate), certificate });
    }
  });
  afterAll(() => { rmSync(folder, { recursive: true }); });

  withOpenssl('ends in a typed error, or says what was signed', async () => {
    for (const { der, certificate } of samples) {
      await fc.assert(fc.asyncProperty(fc.oneof(mutated(der), fc.uint8Array({ maxLength: 300 })), async (bytes) => {
        await verifyRootHashSignature(bytes, rootHash, certificate).catch((error: unknown) => { if (!hasCode(error)) throw error; });
        await expect(verifyRootHashSignature(bytes, 'cd'.repeat(32), certificate)).rejects.toThrow(expect.objectContaining({ name: 'ThawfsError' }));
      }), { numRuns: 300 });
    }
  });

  withOpenssl('nesting and lengths that lie', async () => {
    const { certificate } = samples[0]!;
    const lies = ['30', '3080', '30840fffffff', '3088ffffffffffffffff', '30ff', '30830000', '020100', '0500', '308006092a864886f70d010702a080'];
    for (const lie of lies) {
      for (const bytes of [Buffer.from(lie, 'hex'), Buffer.alloc(8190, Buffer.from(lie, 'hex'))]) {
        await expect(verifyRootHashSignature(bytes, rootHash, certificate)).rejects.toThrow(expect.objectContaining({ code: 'BAD_FIELD' }));
      }
    }
  });
});

test('kill -9 at any moment of signing leaves a readable image, its data untouched, whichever it was', () => withTempDir(async (folder) => {
  const path = join(folder, 'a.img.zst');
  const data = writeSampleImage(path);
  const module = (name: string): string => new URL(`../../../src/${name}.js`, import.meta.url).href;
  // Signs with alternating keys from an unsigned head again and again, as fast as it can.
  const script = `
    import { openSync, writeSync } from 'node:fs';
    import { replaceSignatures } from '${module('image/head-rewrite')}';
    const fd = openSync('${path}', 'r+');
    for (let i = 0; ; i++) {
      replaceSignatures(fd, { signatures: new Uint8Array(100 + i % 3000).fill(i), pkcs7: new Uint8Array(50 + i % 400).fill(i) });
      writeSync(1, '.');
    }`;
  const lengths = new Set<number>();
  for (let round = 0; round < 12; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = new Promise((resolve) => child.on('close', resolve));
    // After another number of signatures each time, however fast the machine is; by the time the signal is there the child is somewhere in the next ones.
    await new Promise<void>((resolve) => {
      let signed = 0;
      child.stdout.on('data', (dots: Buffer) => { if ((signed += dots.length) > 2 * round) resolve(); });
    });
    child.kill('SIGKILL');
    await ended;
    const head = decodeHead(readFileSync(path));
    const { signatures: found = new Uint8Array(0), pkcs7 = new Uint8Array(0) } = head;
    expect(new Set(found).size).toBeLessThanOrEqual(1);
    expect([...new Set(pkcs7)]).toEqual([...new Set(found)]);
    lengths.add(found.length);
    expect(readFileSync(path).subarray(12288).equals(data)).toBe(true);
  }
  expect(lengths.size).toBeGreaterThan(3);
}));
