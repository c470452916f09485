/** Every signature scheme through the command line, and every way to forge: refused by its own code, in text and JSON alike. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead, type Head } from '../../src/chunk/head.js';
import { decodeSignatures, encodeSignatures, type SignatureScheme } from '../../src/format/signatures.js';
import { Cli, type FailureJson } from '../helpers/cli.js';

const schemes = [
  ['ed25519', 'ed25519'], ['ecdsa-p256-sha256', 'ecdsa-p256'], ['ecdsa-p384-sha384', 'ecdsa-p384'], ['rsa-pss-sha256', 'rsa'], ['rsa-pkcs1v15-sha256', 'rsa', '--rsa-scheme', 'pkcs1v15'],
] as const;

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  writeFileSync(cli.path('tree/file'), 'content');
  await Promise.all(['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'].map((type) => cli.json(['key', 'generate', '--type', type, '-o', `${type}.pem`])));
  await cli.json(['key', 'generate', '-o', 'stranger.pem']);
  const build = (output: string, ...flags: string[]): Promise<unknown> => cli.json(['build', 'tree', '-o', output, '--label', output, '--no-check', ...flags]);
  for (const [scheme, type, ...flags] of schemes) await build(scheme, '--key', `${type}.pem`, ...flags);
  await build('other', ...schemes.slice(0, 4).flatMap(([, type]) => ['--key', `${type}.pem`]));
});
afterAll(() => cli.remove());

/** The image `name` as `forged`, its head rewritten with a right checksum. */
function forge(name: string, change: (head: Head) => Head): void {
  const file = readFileSync(cli.path(name));
  const head = encodeHead(change(decodeHead(file)));
  writeFileSync(cli.path('forged'), Buffer.concat([head, file.subarray(head.length)]));
}

/** @returns code and status */
async function refusal(...args: string[]): Promise<readonly [string, number]> {
  const { error } = await cli.json<FailureJson>(args, 3);
  return [error.code, error.exitCode];
}

/** Both ways of printing have to agree. */
async function refusalInWords(...args: string[]): Promise<readonly [string, number]> {
  const [text, { error }] = await Promise.all([cli.run(args), cli.json<FailureJson>(args, 3)]);
  expect(text.stdout).toBe('');
  expect(text.stderr).toContain(`Error: ${error.message}\n  code: ${error.code} (${error.kind}, exit status ${error.exitCode})\n`);
  expect(text.stderr).toContain(`  try: ${error.suggestion!}\n`);
  expect(error.exitCode).toBe(text.status);
  return [error.code, error.exitCode];
}

describe.each<readonly [SignatureScheme, string, ...string[]]>(schemes)('%s', (scheme, type) => {
  const trusted = ['--trust', `${type}.pub`];

  test('verifies, and says who signed how', async () => {
    const { signatures, signedBy } = await cli.json<{ signatures: { keyId: string; scheme: string; state: string }[]; signedBy: string[] }>(['verify', scheme, ...trusted]);
    expect(signatures).toMatchObject([{ scheme, state: 'valid', keyId: signedBy[0] }]);
  });

  test('another key', async () => expect(await refusal('verify', scheme, '--trust', 'stranger.pub')).toEqual(['KEY_UNTRUSTED', 3]));

  test('an altered manifest', async () => {
    forge(scheme, (head) => ({ ...head, manifest: Buffer.from(Buffer.from(head.manifest).toString().replace('"sequence":0', '"sequence":9')) }));
    expect(await refusal('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
  });

  test('the signature of another image by the same key', async () => {
    const { signatures } = decodeHead(readFileSync(cli.path('other')));
    forge(scheme, (head) => ({ ...head, signatures: signatures! }));
    expect(await refusal('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
  });

  test('a flipped bit of the signature, and one that claims another scheme', async () => {
    forge(scheme, (head) => ({ ...head, signatures: encodeSignatures(decodeSignatures(head.signatures!).map((one) => ({ ...one, signature: one.signature.map((byte, i) => i === 20 ? byte ^ 1 : byte) }))) }));
    expect(await refusal('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
    const claimed = scheme === 'ed25519' ? 'ecdsa-p256-sha256' : 'ed25519';
    forge(scheme, (head) => ({ ...head, signatures: encodeSignatures(decodeSignatures(head.signatures!).map((one) => ({ ...one, scheme: claimed }))) }));
    expect(await refusal('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
  });
});

test('all of them on one image: any one is enough, a threshold wants that many, a bad one beside them does no harm', async () => {
  const keys = ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'];
  copyFileSync(cli.path('rsa-pkcs1v15-sha256'), cli.path('all'));
  await cli.json(['sign', 'all', ...keys.flatMap((key) => ['--key', `${key}.pem`])]);
  for (const key of keys) await cli.json(['verify', 'all', '--trust', `${key}.pub`]);
  const trusted = keys.flatMap((key) => ['--trust', `${key}.pub`]);
  await cli.json(['verify', 'all', '--threshold', '4', ...trusted]);
  expect(await refusal('verify', 'all', '--threshold', '5', ...trusted, '--trust', 'stranger.pub')).toEqual(['THRESHOLD_NOT_MET', 3]);
  forge('all', (head) => ({ ...head, signatures: encodeSignatures(decodeSignatures(head.signatures!).map((one) => one.scheme === 'ed25519' ? { ...one, signature: new Uint8Array(64) } : one)) }));
  await cli.json(['verify', 'forged', '--threshold', '3', ...trusted]);
  expect(await refusal('verify', 'forged', '--threshold', '4', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
});

test('text and JSON say the same', async () => {
  forge('ed25519', ({ manifest, rootPage, headSize, indexOffset }) => ({ manifest, rootPage, headSize, indexOffset }));
  const trusted = ['--trust', 'ed25519.pub'];
  expect(await refusalInWords('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_MISSING', 3]);
  expect(await refusalInWords('verify', 'ed25519', '--trust', 'stranger.pub')).toEqual(['KEY_UNTRUSTED', 3]);
  expect(await refusalInWords('verify', 'ed25519', '--threshold', '2', ...trusted, '--trust', 'stranger.pub')).toEqual(['THRESHOLD_NOT_MET', 3]);
  expect(await refusalInWords('verify', 'ed25519', '--min-sequence', '1', ...trusted)).toEqual(['SEQUENCE_ROLLBACK', 3]);
  forge('ed25519', (head) => ({ ...head, manifest: Uint8Array.from(head.manifest, (byte, i) => i === 40 ? byte ^ 1 : byte) }));
  expect(await refusalInWords('verify', 'forged', ...trusted)).toEqual(['SIGNATURE_INVALID', 3]);
});
