import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { option, string } from '@oclif/core/flags';
import { BaseCommand } from '../../src/cli/base-command.js';
import { writeStdout } from '../../src/cli/stdout.js';
import { fromErrno, ThawfsError } from '../../src/errors.js';
import type { KeyType } from '../../src/trust/keys.js';

interface GeneratedKey {
  readonly type: KeyType;
  readonly keyId: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

export default class KeyGenerate extends BaseCommand {
  static override summary = 'Make a key pair for signing images.';
  static override description = `With --output the private key goes to that file, readable by its owner only, and the public key beside it with the ending .pub. \
Without it the private key goes to standard output. The keys are PEM (PKCS#8, not encrypted, and SubjectPublicKeyInfo), as openssl genpkey makes them.

The private key stays with whoever signs. Readers get the public one: by --trust, or as a file in ~/.config/thawfs/trust or /etc/thawfs/trust.`;

  static override examples = [
    { description: 'Make ci.pem, which signs, and ci.pub, which readers trust:', command: '<%= config.bin %> <%= command.id %> -o ci.pem' },
    { description: 'An RSA key, for signatures that old verifiers check too:', command: '<%= config.bin %> <%= command.id %> --type rsa -o release.pem' },
  ];

  static override flags = {
    type: option({ options: ['ed25519', 'ecdsa-p256', 'ecdsa-p384', 'rsa'] as const, summary: 'Algorithm of the key; rsa has 3072 bits.' })({ default: 'ed25519' }),
    output: string({ char: 'o', helpValue: 'FILE', summary: 'Write the private key to this file, which must not exist.' }),
  };

  async run(): Promise<GeneratedKey> {
    const { flags: { type, output } } = await this.parse(KeyGenerate);
    const { generateKey, loadTrustedKeys } = await import('../../src/trust/keys.js');
    const { privatePem, publicPem } = generateKey(type);
    const { keyId } = loadTrustedKeys([publicPem])[0]!;
    if (output === undefined) {
      if (!this.jsonEnabled()) await writeStdout(privatePem);
      this.remark(`Key id ${keyId}. The public key for readers: openssl pkey -in FILE -pubout`);
      return { type, keyId, privateKey: privatePem, publicKey: publicPem };
    }
    const publicFile = `${output.replace(/\.(?:pem|key)$/, '')}.pub`;
    writeNew(output, privatePem, 0o600);
    try {
      writeNew(publicFile, publicPem, 0o644);
    } catch (error) {
      rmSync(output);
      throw error;
    }
    this.log(`private key  ${output}\npublic key   ${publicFile}\nkey id       ${keyId}`);
    return { type, keyId, privateKey: output, publicKey: publicFile };
  }
}

/** A key that exists is never replaced: what it signed could not be checked any more. */
function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (error) {
    if (existsSync(path)) throw new ThawfsError('BAD_ARGUMENT', `${path}: exists already`, { detail: { path }, cause: error, suggestion: 'Name another file, or move the old key away.' });
    throw fromErrno(error, `writing ${path}`);
  }
}
