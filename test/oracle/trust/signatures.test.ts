/** OpenSSL judges our signatures, and we judge the ones it makes with the commands of docs/trust.md. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decodeHead } from '../../../src/chunk/head.js';
import { decodeSignatures, signatureSchemes, type SignatureScheme } from '../../../src/format/signatures.js';
import { exportForSigning, importRootHashSignature, importSignature, signImage } from '../../../src/image/sign.js';
import { schemesOf } from '../../../src/trust/dsse.js';
import { generateKey, keyTypes, loadTrustedKeys } from '../../../src/trust/keys.js';
import { signRootHash, verifyRootHashSignature } from '../../../src/trust/pkcs7.js';
import { loadPrivateKey } from '../../../src/trust/keys.js';
import { openssl, opensslAccepts, selfSign } from '../../helpers/openssl.js';
import { oracleTest } from '../../helpers/oracle.js';
import { sampleManifest, writeSampleImage } from '../../helpers/sample-image.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const typeOf = (scheme: SignatureScheme): typeof keyTypes[number] => keyTypes.find((type) => schemesOf(type).includes(scheme))!;
const { rootHash } = sampleManifest().verity;

/** Arguments that verify file.sig over file.pae with key.pub. */
const verifying: Readonly<Record<SignatureScheme, readonly string[]>> = {
  'ed25519': ['pkeyutl', '-verify', '-pubin', '-inkey', 'key.pub', '-rawin', '-in', 'file.pae', '-sigfile', 'file.sig'],
  'ecdsa-p256-sha256': ['dgst', '-sha256', '-verify', 'key.pub', '-signature', 'file.sig', 'file.pae'],
  'ecdsa-p384-sha384': ['dgst', '-sha384', '-verify', 'key.pub', '-signature', 'file.sig', 'file.pae'],
  'rsa-pss-sha256': ['dgst', '-sha256', '-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:32', '-verify', 'key.pub', '-signature', 'file.sig', 'file.pae'],
  'rsa-pkcs1v15-sha256': ['dgst', '-sha256', '-verify', 'key.pub', '-signature', 'file.sig', 'file.pae'],
};

/** In a folder with an image file a.img.zst, its export file.pae, key.pem and key.pub, for OpenSSL with that working directory. */
function withSigner(type: typeof keyTypes[number], body: (folder: string, image: string) => Promise<void>): Promise<void> {
  return withTempDir(async (folder) => {
    const image = join(folder, 'a.img.zst');
    writeSampleImage(image);
    const { privatePem, publicPem } = generateKey(type);
    writeFileSync(join(folder, 'key.pem'), privatePem);
    writeFileSync(join(folder, 'key.pub'), publicPem);
    writeFileSync(join(folder, 'file.pae'), (await exportForSigning(image)).pae);
    await body(folder, image);
  });
}

function inFolder(folder: string, args: readonly string[]): boolean {
  try {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

describe.each(signatureSchemes)('%s', (scheme) => {
  oracleTest(['openssl'], 'openssl verifies what we sign, and refuses it over other bytes', () => withSigner(typeOf(scheme), async (folder, image) => {
    await signImage(image, { keys: [{ pem: readFileSync(join(folder, 'key.pem'), 'utf8'), scheme }] });
    const [signature] = decodeSignatures(decodeHead(readFileSync(image)).signatures!);
    writeFileSync(join(folder, 'file.sig'), signature!.signature);
    expect(inFolder(folder, verifying[scheme])).toBe(true);
    writeFileSync(join(folder, 'file.pae'), 'other bytes');
    expect(inFolder(folder, verifying[scheme])).toBe(false);
  }));
});

/** Every command of the page that signs an exported file, by its scheme. The page is what users run, so the page is what is tested. */
const page = readFileSync('docs/trust.md', 'utf8');
const commands = [...page.matchAll(/^ {4}(openssl .+-in file\.pae .+|openssl .+ file\.pae) +# (\S+)$/gm)].map(([, command, scheme]) => [scheme!, command!] as const);

describe('the hand-off of docs/trust.md', () => {
  test('has a command for every scheme', () => {
    expect(commands.map(([scheme]) => scheme).sort()).toEqual([...signatureSchemes].sort());
  });

  for (const [scheme, command] of commands) {
    oracleTest(['openssl'], `${scheme}: ${command}`, () => withSigner(typeOf(scheme as SignatureScheme), async (folder, image) => {
      execFileSync('sh', ['-ec', command], { cwd: folder, stdio: 'pipe' });
      const publicPem = readFileSync(join(folder, 'key.pub'), 'utf8');
      const { added } = await importSignature(image, readFileSync(join(folder, 'file.sig')), [publicPem]);
      expect(added).toEqual([{ keyId: loadTrustedKeys([publicPem])[0]!.keyId, scheme }]);
    }));
  }

  oracleTest(['openssl'], 'RSA-PSS with the salt openssl takes by itself is read too', () => withSigner('rsa', async (folder, image) => {
    openssl(['dgst', '-sha256', '-sigopt', 'rsa_padding_mode:pss', '-sign', join(folder, 'key.pem'), '-out', join(folder, 'file.sig'), join(folder, 'file.pae')]);
    expect(await importSignature(image, readFileSync(join(folder, 'file.sig')), [readFileSync(join(folder, 'key.pub'), 'utf8')])).toMatchObject({ added: [{ scheme: 'rsa-pss-sha256' }] });
  }));

  const [smime] = [...page.matchAll(/^ {4}(openssl smime -sign .+)$/gm)].map(([, command]) => command!);
  oracleTest(['openssl'], `root hash: ${smime ?? 'no command in docs/trust.md'}`, () => withSigner('rsa', async (folder, image) => {
    selfSign(join(folder, 'key.pem'), join(folder, 'key.crt'), '/CN=signer');
    writeFileSync(join(folder, 'file.roothash'), rootHash);
    execFileSync('sh', ['-ec', smime!], { cwd: folder, stdio: 'pipe' });
    const der = readFileSync(join(folder, 'file.p7s'));
    const certificate = readFileSync(join(folder, 'key.crt'), 'utf8');
    expect(await importRootHashSignature(image, der, certificate)).toMatchObject({ rootHashSigned: true });
    expect(await importRootHashSignature(image, der, certificate)).toMatchObject({ rootHashSigned: false });
    expect(Buffer.compare(decodeHead(readFileSync(image)).pkcs7!, der)).toBe(0);
    // RSA PKCS#1 v1.5 is deterministic: both make the same bytes.
    expect(Buffer.compare(await signRootHash(rootHash, loadPrivateKey(readFileSync(join(folder, 'key.pem'), 'utf8')), certificate), der)).toBe(0);
  }));
});

describe('PKCS#7 over the root hash', () => {
  const subjects = [
    ['plain', '/CN=signer', []],
    ['UTF-8, several parts, two in one', '/C=DE/O=Prüfstelle/CN=Ümläut+emailAddress=a@example.org', ['-multivalue-rdn']],
    ['serial number with its top bit set', '/CN=serial', ['-set_serial', '0xfedcba9876543210']],
    ['serial number zero', '/CN=serial', ['-set_serial', '0']],
    ['negative serial number', '/CN=serial', ['-set_serial', '-129']],
  ] as const;
  for (const type of ['rsa', 'ecdsa-p256', 'ecdsa-p384'] as const) {
    for (const [name, subject, more] of subjects) {
      oracleTest(['openssl'], `${type}, ${name}: openssl smime and cms verify it, over this root hash only`, () => withSigner(type, async (folder) => {
        const [key, crt, p7s, hash, wrong] = ['key.pem', 'key.crt', 'file.p7s', 'file.roothash', 'wrong'].map((file) => join(folder, file)) as [string, string, string, string, string];
        selfSign(key, crt, subject, ...more);
        const der = await signRootHash(rootHash, loadPrivateKey(readFileSync(key, 'utf8')), readFileSync(crt, 'utf8'));
        writeFileSync(p7s, der);
        writeFileSync(hash, rootHash);
        writeFileSync(wrong, rootHash.replace('5', '6'));
        for (const tool of ['smime', 'cms']) {
          const verify = [tool, '-verify', '-binary', '-inform', 'der', '-in', p7s, '-certfile', crt, '-nointern', '-noverify', '-out', '/dev/null', '-content'];
          expect(opensslAccepts([...verify, hash])).toBe(true);
          expect(opensslAccepts([...verify, wrong])).toBe(false);
        }
        await verifyRootHashSignature(der, rootHash, readFileSync(crt, 'utf8'));
      }));
    }
  }

  for (const digest of ['sha256', 'sha384', 'sha512']) {
    for (const type of ['rsa', 'ecdsa-p384'] as const) {
      for (const tool of ['smime', 'cms']) {
        oracleTest(['openssl'], `${type}: what openssl ${tool} signs with ${digest} is verified`, () => withSigner(type, async (folder) => {
          const [key, crt, hash] = ['key.pem', 'key.crt', 'file.roothash'].map((file) => join(folder, file)) as [string, string, string];
          selfSign(key, crt, '/CN=signer');
          writeFileSync(hash, rootHash);
          const signing = [tool, '-sign', '-in', hash, '-nocerts', '-noattr', '-binary', '-md', digest, '-inkey', key, '-signer', crt, '-outform', 'der'];
          await verifyRootHashSignature(openssl(signing), rootHash, readFileSync(crt, 'utf8'));
          const withAttributes = openssl(signing.filter((argument) => argument !== '-noattr'));
          await expect(verifyRootHashSignature(withAttributes, rootHash, readFileSync(crt, 'utf8'))).rejects.toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }));
          const withCertificate = openssl(signing.filter((argument) => argument !== '-nocerts'));
          await expect(verifyRootHashSignature(withCertificate, rootHash, readFileSync(crt, 'utf8'))).rejects.toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }));
          const withContent = openssl([...signing, '-nodetach']);
          await expect(verifyRootHashSignature(withContent, rootHash, readFileSync(crt, 'utf8'))).rejects.toThrow(expect.objectContaining({ code: 'FEATURE_UNSUPPORTED' }));
        }));
      }
    }
  }
});

describe('keys', () => {
  for (const type of keyTypes) {
    oracleTest(['openssl'], `${type}: openssl reads ours, and a certificate is its key`, () => withSigner(type, (folder) => {
      expect(inFolder(folder, ['pkey', '-in', 'key.pem', '-check', '-noout'])).toBe(true);
      expect(openssl(['pkey', '-in', join(folder, 'key.pem'), '-pubout']).toString()).toBe(readFileSync(join(folder, 'key.pub'), 'utf8'));
      selfSign(join(folder, 'key.pem'), join(folder, 'key.crt'), '/CN=anchor', '-set_serial', '1');
      const texts = ['key.pub', 'key.crt'].map((file) => readFileSync(join(folder, file), 'utf8'));
      expect(loadTrustedKeys(texts)).toHaveLength(1);
      return Promise.resolve();
    }));
  }

  oracleTest(['openssl'], 'an expired certificate still stands for its key', () => withSigner('rsa', (folder) => {
    selfSign(join(folder, 'key.pem'), join(folder, 'key.crt'), '/CN=old');
    openssl(['x509', '-in', join(folder, 'key.crt'), '-signkey', join(folder, 'key.pem'), '-days', '-1', '-out', join(folder, 'old.crt')]);
    expect(loadTrustedKeys([readFileSync(join(folder, 'old.crt'), 'utf8')])).toHaveLength(1);
    return Promise.resolve();
  }));

  oracleTest(['openssl'], 'openssl keys in their older spellings sign', () => withTempDir((folder) => {
    const texts = [
      openssl(['genrsa', '-traditional', '2048']), openssl(['ecparam', '-name', 'prime256v1', '-genkey']),
      openssl(['ec', '-aes128', '-passout', 'pass:secret'], openssl(['ecparam', '-name', 'secp384r1', '-genkey', '-noout'])),
    ].map(String);
    expect(texts.map((pem) => loadPrivateKey(pem, { passphrase: 'secret' }).type)).toEqual(['rsa', 'ecdsa-p256', 'ecdsa-p384']);
    expect(() => loadTrustedKeys([texts[2]!], folder)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT', message: expect.stringContaining('is a private key') as unknown }));
  }));
});
