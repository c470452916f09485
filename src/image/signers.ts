/** The private side of a signature: keys and certificate as a user gives them, shared by `build` and `sign`. */
import { ThawfsError } from '../errors.js';
import type { Signature, SignatureScheme } from '../format/signatures.js';
import { makeSignature } from '../trust/dsse.js';
import { loadPrivateKey, loadTrustedKeys, type SigningKey } from '../trust/keys.js';

export interface SignOptions {
  /** Private keys in PEM. `scheme` by default the one that fits the key, PSS for RSA. */
  readonly keys: readonly { readonly pem: string; readonly passphrase?: string; readonly scheme?: SignatureScheme }[];
  /** X.509 certificate in PEM of one of the keys: adds the PKCS#7 signature over the root hash, in place of another one. */
  readonly certificate?: string;
}

export interface Made { readonly signature: Signature; readonly key: SigningKey }

/** Loads once, so that a bad key is found before an hour of work; signs when the manifest is there. */
export class Signers {
  private readonly signers: readonly { readonly key: SigningKey; readonly scheme: SignatureScheme | undefined }[];
  private readonly certificate: { readonly pem: string; readonly key: SigningKey } | undefined;

  /** @throws BAD_ARGUMENT for a bad key, or a certificate without a key */
  constructor({ keys, certificate: pem }: SignOptions) {
    this.signers = keys.map(({ scheme, pem: keyPem, ...rest }) => ({ key: loadPrivateKey(keyPem, rest), scheme }));
    if (pem === undefined) return;
    const keyId = loadTrustedKeys([pem], 'certificate')[0]?.keyId;
    const owner = this.signers.find(({ key }) => key.keyId === keyId) ?? this.signers[0]; // of a wrong key signRootHash says what is wrong
    if (owner === undefined) {
      throw new ThawfsError('BAD_ARGUMENT', 'certificate: no key to sign the root hash with', { suggestion: 'Give the private key of the certificate too.' });
    }
    this.certificate = { pem, key: owner.key };
  }

  /**
   * @returns one signature for each key and scheme, however often they were given
   * @throws BAD_ARGUMENT for a scheme that does not fit its key
   */
  signManifest(manifest: Uint8Array): Made[] {
    const made = this.signers.map(({ key, scheme }) => ({ signature: makeSignature(manifest, key, scheme), key }));
    return [...new Map(made.map((one) => [one.signature.keyId + one.signature.scheme, one])).values()];
  }

  /**
   * @param rootHash 64 lowercase hex digits
   * @returns PKCS#7 in DER, undefined when no certificate was given
   * @throws BAD_ARGUMENT when the certificate is not of one of the keys; FEATURE_UNSUPPORTED for a key that the kernel cannot check
   */
  async signRootHash(rootHash: string): Promise<Uint8Array | undefined> {
    if (this.certificate === undefined) return undefined;
    const { signRootHash } = await import('../trust/pkcs7.js'); // ASN.1 costs 40 ms to load, which builds without a certificate do not pay.
    return signRootHash(rootHash, this.certificate.key, this.certificate.pem);
  }
}
