import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { oracleTest } from '../helpers/oracle.js';

let cli: Cli;
beforeAll(() => { cli = new Cli(); });
afterAll(() => cli.remove());

interface Generated { readonly type: string; readonly keyId: string; readonly privateKey: string; readonly publicKey: string }

test('writes both halves, the private one for its owner only, and never over an existing file', async () => {
  const { status, stdout } = await cli.run(['key', 'generate', '-o', 'ci.pem']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^private key {2}ci\.pem\npublic key {3}ci\.pub\nkey id {7}[0-9a-f]{64}\n$/);
  expect(statSync(cli.path('ci.pem')).mode & 0o777).toBe(0o600);
  expect(readFileSync(cli.path('ci.pub'), 'utf8')).toMatch(/^-----BEGIN PUBLIC KEY-----/);

  const before = readFileSync(cli.path('ci.pem'));
  const { error } = await cli.json<FailureJson>(['key', 'generate', '-o', 'ci.pem'], 2);
  expect(error).toMatchObject({ code: 'BAD_ARGUMENT', message: 'ci.pem: exists already' });
  expect(readFileSync(cli.path('ci.pem'))).toEqual(before);
});

test('an existing public key stops it before a private key is written', async () => {
  writeFileSync(cli.path('old.pub'), 'precious');
  expect((await cli.run(['key', 'generate', '-o', 'old.pem'])).status).toBe(2);
  expect(readFileSync(cli.path('old.pub'), 'utf8')).toBe('precious');
  expect(statSync(cli.path('old.pem'), { throwIfNoEntry: false })).toBeUndefined();
});

test('without --output the private key alone goes to standard output', async () => {
  const { status, stdout, stderr } = await cli.run(['key', 'generate']);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^-----BEGIN PRIVATE KEY-----\n[^-]+-----END PRIVATE KEY-----\n$/);
  expect(stderr).toMatch(/^Key id [0-9a-f]{64}/);
});

for (const [type, named] of [['ed25519', 'ED25519'], ['ecdsa-p256', 'prime256v1'], ['ecdsa-p384', 'secp384r1'], ['rsa', '3072 bit']] as const) {
  oracleTest(['openssl'], `${type}: openssl reads the key, and its id is the digest of the public half`, async () => {
    const { type: made, keyId, privateKey, publicKey } = await cli.json<Generated>(['key', 'generate', '--type', type, '-o', `${type}.pem`]);
    expect(made).toBe(type);
    const text = spawnSync('openssl', ['pkey', '-in', cli.path(privateKey), '-noout', '-text'], { encoding: 'utf8' });
    expect(text.stdout).toContain(named);
    const der = spawnSync('openssl', ['pkey', '-pubin', '-in', cli.path(publicKey), '-outform', 'der']).stdout;
    expect(spawnSync('openssl', ['dgst', '-sha256', '-r'], { input: der, encoding: 'utf8' }).stdout).toMatch(new RegExp(`^${keyId} `));
  });
}
