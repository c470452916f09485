/** Private keys for commands that sign: `--key`, and what goes with it. */
import { option, string } from '@oclif/core/flags';
import type { SignatureScheme } from '../format/signatures.js';
import { readText } from './read-file.js';

export const signingFlags = {
  'key': string({ multiple: true, multipleNonGreedy: true, helpValue: 'PEM', helpGroup: 'SIGNING', summary: 'Sign with this private key. May be repeated.' }),
  'cert': string({
    helpValue: 'PEM', helpGroup: 'SIGNING', summary: 'Certificate of one of the keys: adds the PKCS#7 signature over the root hash, which the kernel and systemd check.',
  }),
  'rsa-scheme': option({ options: ['pss', 'pkcs1v15'] as const, helpGroup: 'SIGNING', summary: 'How RSA keys sign; pss unless given.' })(),
  'passphrase-file': string({ helpValue: 'FILE', helpGroup: 'SIGNING', summary: 'The first line of this file opens encrypted keys.' }),
};

export interface SigningFlags {
  readonly 'key'?: readonly string[] | undefined;
  readonly 'cert'?: string | undefined;
  readonly 'rsa-scheme'?: 'pss' | 'pkcs1v15' | undefined;
  readonly 'passphrase-file'?: string | undefined;
}

export interface SigningKeys {
  readonly keys: readonly { readonly pem: string; readonly passphrase?: string; readonly scheme?: SignatureScheme }[];
  readonly certificate?: string;
}

/** @throws PATH_MISSING, NOT_PERMITTED; BAD_ARGUMENT for what is no private key */
export async function readSigningKeys(flags: SigningFlags): Promise<SigningKeys> {
  const { loadPrivateKey } = await import('../trust/keys.js');
  const passphrase = flags['passphrase-file'] === undefined ? {} : { passphrase: readText(flags['passphrase-file']).split(/\r?\n/, 1)[0]! };
  const keys = (flags.key ?? []).map((path) => {
    const pem = readText(path);
    const { type } = loadPrivateKey(pem, { ...passphrase, label: path });
    const scheme = type === 'rsa' && flags['rsa-scheme'] !== undefined ? { scheme: `rsa-${flags['rsa-scheme']}-sha256` as const } : {};
    return { pem, ...passphrase, ...scheme };
  });
  return { keys, ...(flags.cert === undefined ? {} : { certificate: readText(flags.cert) }) };
}
