import { spawnSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { openssl, selfSign } from '../helpers/openssl.js';
import { oracleTest } from '../helpers/oracle.js';
import { writeSampleImage } from '../helpers/sample-image.js';

interface SignJson { readonly added: readonly { readonly keyId: string; readonly scheme: string }[]; readonly signatureCount: number; readonly rootHashSigned: boolean }

let cli: Cli;
let data: Buffer;
beforeAll(async () => {
  cli = new Cli();
  data = writeSampleImage(cli.path('fresh.img'));
  for (const type of ['ed25519', 'ecdsa-p384', 'rsa']) await cli.json(['key', 'generate', '--type', type, '-o', `${type}.pem`]);
});
afterAll(() => cli.remove());
beforeEach(() => copyFileSync(cli.path('fresh.img'), cli.path('app.img')));

const head = (): Buffer => readFileSync(cli.path('app.img')).subarray(0, -data.length);

describe('thawfs sign', () => {
  test('several keys at once; the data stays as it is', async () => {
    const report = await cli.json<SignJson>(['sign', 'app.img', '--key', 'ed25519.pem', '--key', 'rsa.pem', '--rsa-scheme', 'pkcs1v15']);
    expect(report.added.map(({ scheme }) => scheme)).toEqual(['ed25519', 'rsa-pkcs1v15-sha256']);
    expect(report).toMatchObject({ signatureCount: 2, rootHashSigned: false });
    expect(readFileSync(cli.path('app.img')).subarray(-data.length)).toEqual(data);
  });

  test('the same key again changes nothing and says so', async () => {
    await cli.json(['sign', 'app.img', '--key', 'ed25519.pem']);
    const before = head();
    const { status, stdout } = await cli.run(['sign', 'app.img', '--key', 'ed25519.pem']);
    expect([status, stdout]).toEqual([0, expect.stringContaining('unchanged')]);
    expect(head()).toEqual(before);
  });

  test('an encrypted key needs its passphrase', async () => {
    openssl(['pkey', '-in', cli.path('rsa.pem'), '-aes256', '-passout', 'pass:secret', '-out', cli.path('locked.pem')]);
    const { error } = await cli.json<FailureJson>(['sign', 'app.img', '--key', 'locked.pem'], 2);
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining('locked.pem') as unknown, suggestion: expect.stringContaining('--passphrase-file') as unknown });
    writeFileSync(cli.path('pass'), 'secret\n');
    expect((await cli.json<SignJson>(['sign', 'app.img', '--key', 'locked.pem', '--passphrase-file', 'pass'])).signatureCount).toBe(1);
  });

  test.each([
    ['no key', ['app.img'], 2, 'BAD_ARGUMENT'],
    ['no such key', ['app.img', '--key', 'none.pem'], 8, 'PATH_MISSING'],
    ['a public key', ['app.img', '--key', 'ed25519.pub'], 2, 'BAD_ARGUMENT'],
    ['no such image', ['none.img', '--key', 'ed25519.pem'], 8, 'PATH_MISSING'],
    ['not an image', ['ed25519.pub', '--key', 'ed25519.pem'], 5, undefined],
    ['a signature without its public key', ['app.img', '--import', 'ed25519.pub'], 2, 'BAD_ARGUMENT'],
    ['export and key together', ['app.img', '--export', 'x', '--key', 'ed25519.pem'], 2, 'BAD_ARGUMENT'],
    ['bytes that are no signature', ['app.img', '--import', 'ed25519.pub', '--trust', 'ed25519.pub'], 3, 'SIGNATURE_INVALID'],
  ] as const)('%s is refused, and the image is untouched', async (_what, args, status, code) => {
    const before = head();
    const { error } = await cli.json<FailureJson>(['sign', ...args], status);
    if (code !== undefined) expect(error.code).toBe(code);
    expect(error.suggestion).toBeDefined();
    expect(head()).toEqual(before);
  });
});

describe('an external signer', () => {
  const sign = (name: string, extra: readonly string[] = []): void => {
    const args = name === 'ed25519' ? ['pkeyutl', '-sign', '-rawin', '-inkey', cli.path('ed25519.pem')] : ['dgst', ...extra, '-sign', cli.path(`${name}.pem`)];
    const output = name === 'ed25519' ? ['-in', cli.path('tbs'), '-out', cli.path('sig')] : ['-out', cli.path('sig'), cli.path('tbs')];
    openssl([...args, ...output]);
  };

  for (const [name, extra, scheme] of [
    ['ed25519', [], 'ed25519'], ['ecdsa-p384', ['-sha384'], 'ecdsa-p384-sha384'],
    ['rsa', ['-sha256'], 'rsa-pkcs1v15-sha256'], ['rsa', ['-sha256', '-sigopt', 'rsa_padding_mode:pss'], 'rsa-pss-sha256'],
  ] as const) {
    oracleTest(['openssl'], `${scheme}: exported, signed by openssl, imported`, async () => {
      expect(await cli.json(['sign', 'app.img', '--export', 'tbs'])).toMatchObject({ exported: 'tbs', format: 'pae', bytes: readFileSync(cli.path('tbs')).length });
      sign(name, extra);
      const report = await cli.json<SignJson>(['sign', 'app.img', '--import', 'sig', '--trust', `${name}.pub`]);
      expect(report.added.map((one) => one.scheme)).toEqual([scheme]);
    });
  }

  test('the public key may be one of the trust folder, among others', async () => {
    const folder = cli.path('home/.config/thawfs/trust');
    spawnSync('mkdir', ['-p', folder]);
    for (const name of ['rsa.pub', 'ed25519.pub']) copyFileSync(cli.path(name), `${folder}/${name}`);
    await cli.json(['sign', 'app.img', '--export', 'tbs']);
    sign('ed25519');
    expect((await cli.json<SignJson>(['sign', 'app.img', '--import', 'sig'])).signatureCount).toBe(1);
  });

  test('an envelope carries the manifest and the signatures so far', async () => {
    await cli.json(['sign', 'app.img', '--key', 'ed25519.pem']);
    await cli.json(['sign', 'app.img', '--export', 'envelope.json', '--format', 'envelope']);
    const envelope = JSON.parse(readFileSync(cli.path('envelope.json'), 'utf8')) as { payload: string; signatures: unknown[] };
    expect(JSON.parse(Buffer.from(envelope.payload, 'base64').toString())).toMatchObject({ name: 'sample', sequence: 7 });
    expect(envelope.signatures).toHaveLength(1);
  });

  oracleTest(['openssl'], 'a PKCS#7 signature over the root hash', async () => {
    selfSign(cli.path('rsa.pem'), cli.path('rsa.crt'), '/CN=signer');
    await cli.json(['sign', 'app.img', '--export', 'root', '--format', 'root-hash']);
    expect(readFileSync(cli.path('root'), 'latin1')).toBe('5a'.repeat(32));
    openssl(['smime', '-sign', '-nocerts', '-noattr', '-binary', '-in', cli.path('root'), '-inkey', cli.path('rsa.pem'), '-signer', cli.path('rsa.crt'), '-outform', 'der', '-out', cli.path('p7s')]);
    expect(await cli.json(['sign', 'app.img', '--import', 'p7s', '--cert', 'rsa.crt'])).toMatchObject({ rootHashSigned: true });
  });

  test('leaves no temporary file', () => {
    expect(readdirSync(cli.folder).filter((name) => name.endsWith('.partial'))).toEqual([]);
  });
});
