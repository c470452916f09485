import { writeFileSync } from 'node:fs';
import { string as stringArgument } from '@oclif/core/args';
import { option, string } from '@oclif/core/flags';
import { BaseCommand } from '../src/cli/base-command.js';
import { readBytes, readText } from '../src/cli/read-file.js';
import { fields } from '../src/cli/report.js';
import { readSigningKeys, signingFlags } from '../src/cli/signing-keys.js';
import { trustedPems } from '../src/cli/trust.js';
import { ThawfsError } from '../src/errors.js';
import type { SignReport } from '../src/image/sign.js';

interface ExportReport { readonly exported: string; readonly format: 'pae' | 'envelope' | 'root-hash'; readonly bytes: number }

export default class Sign extends BaseCommand {
  static override summary = 'Add signatures to an image.';
  static override description = `Signs the manifest, which is bound to every byte of the image. The file is changed in place, without touching its data; \
other signatures stay. A key that has signed already adds nothing. Verify an image that you did not just build before you sign it.

A key that lives elsewhere (HSM, signing service): --export writes what it has to sign, --import stores what it made, after checking it against the public keys of --trust. \
The export is the DSSE pre-authentication encoding unless --format says otherwise; a signature is imported raw, in base64, or as a DSSE envelope. \
With --cert, --import takes a PKCS#7 signature over the root hash.`;

  static override examples = [
    { description: 'Sign with a second key:', command: '<%= config.bin %> <%= command.id %> app.img.zst --key release.pem' },
    {
      description: 'Sign where the private key is:',
      command: '<%= config.bin %> <%= command.id %> app.img.zst --export tbs && openssl pkeyutl -sign -rawin -inkey hsm.pem -in tbs -out sig && <%= config.bin %> <%= command.id %> app.img.zst --import sig --trust hsm.pub',
    },
    {
      description: 'Add a root-hash signature that was made elsewhere:',
      command: '<%= config.bin %> <%= command.id %> app.img.zst --export root --format root-hash && openssl smime -sign -nocerts -noattr -binary -in root -inkey k.pem -signer c.pem -outform der -out p7s && <%= config.bin %> <%= command.id %> app.img.zst --import p7s --cert c.pem',
    },
  ];

  static override args = { image: stringArgument({ required: true, description: 'Image file; it is changed in place.' }) };

  static override flags = {
    ...signingFlags,
    export: string({ helpValue: 'FILE', helpGroup: 'EXTERNAL SIGNER', exclusive: ['key', 'import'], summary: 'Write what an external key has to sign.' }),
    format: option({ options: ['pae', 'envelope', 'root-hash'] as const, helpGroup: 'EXTERNAL SIGNER', dependsOn: ['export'], summary: 'What --export writes; pae unless given.' })(),
    import: string({ helpValue: 'FILE', helpGroup: 'EXTERNAL SIGNER', exclusive: ['key'], summary: 'Store the signature in this file.' }),
    trust: string({
      multiple: true, multipleNonGreedy: true, aliases: ['public-key'], helpValue: 'PEM|DIR', helpGroup: 'EXTERNAL SIGNER',
      summary: 'Public key of the external signer, for --import. May be repeated. Without it, the keys in the trust folders are tried.',
    }),
  };

  async run(): Promise<SignReport | ExportReport> {
    const { args: { image }, flags } = await this.parse(Sign);
    if (flags.export !== undefined) return this.export(image, flags.export, flags.format ?? 'pae');
    const report = flags.import === undefined ? await this.sign(image, flags) : await this.import(image, flags.import, flags);
    const { added, signatureCount, rootHashSigned } = report;
    this.log(fields([
      ...added.map(({ keyId, scheme }): [string, string] => ['added', `${scheme} by ${keyId}`]),
      ['root hash', rootHashSigned ? 'PKCS#7 signature written' : undefined],
      ['unchanged', added.length === 0 && !rootHashSigned ? 'these signatures are there already' : undefined],
      ['signatures', signatureCount],
    ]));
    return report;
  }

  private async sign(image: string, flags: Parameters<typeof readSigningKeys>[0]): Promise<SignReport> {
    if (flags.key === undefined) throw new ThawfsError('BAD_ARGUMENT', 'sign: nothing to do', { suggestion: 'Give --key, or --export and later --import.' });
    const { signImage } = await import('../src/image/sign.js');
    return signImage(image, await readSigningKeys(flags));
  }

  private async import(image: string, file: string, { cert, trust }: { cert?: string | undefined; trust?: string[] | undefined }): Promise<SignReport> {
    const { importRootHashSignature, importSignature } = await import('../src/image/sign.js');
    if (cert !== undefined) return importRootHashSignature(image, readBytes(file), readText(cert));
    const keys = trustedPems(trust);
    if (keys.length === 0) {
      throw new ThawfsError('BAD_ARGUMENT', '--import: no public key to check the signature with', { suggestion: 'Give the public key of the signer with --trust.' });
    }
    return importSignature(image, readBytes(file), keys.map(({ pem }) => pem));
  }

  private async export(image: string, file: string, format: ExportReport['format']): Promise<ExportReport> {
    const [{ exportForSigning }, { writeOutput }] = await Promise.all([import('../src/image/sign.js'), import('../src/image/output-file.js')]);
    const { pae, envelope, rootHash } = await exportForSigning(image);
    const bytes = { 'pae': pae, 'envelope': envelope, 'root-hash': Buffer.from(rootHash) }[format];
    await writeOutput(file, ({ fd }) => {
      writeFileSync(fd, bytes);
      return Promise.resolve();
    });
    this.log(fields([['written', file], ['format', format], ['bytes', bytes.length]]));
    return { exported: file, format, bytes: bytes.length };
  }
}
