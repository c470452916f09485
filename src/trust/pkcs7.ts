/**
 * The signature over the dm-verity root hash that the kernel (drivers/md/dm-verity-verify-sig.c) and systemd check: PKCS#7 SignedData
 * in DER, detached, without certificates and without signed attributes, over the 64 hexadecimal ASCII characters of the root hash.
 *
 * pkijs holds the structure; node:crypto signs, because pkijs would name the algorithm sha256WithRSAEncryption, and the kernel
 * (crypto/asymmetric_keys/pkcs7_parser.c) accepts rsaEncryption only. pkijs is loaded when first needed: that takes 35 ms.
 */
import { sign, verify, X509Certificate, type KeyObject } from 'node:crypto';
import type { AlgorithmIdentifier, IssuerAndSerialNumber, SignedData, SignerInfo } from 'pkijs';
import { ThawfsError } from '../errors.js';
import { PKCS7_MAX_SIZE } from '../format/signatures.js';
import { describeKey, type PublicKey, type SigningKey } from './keys.js';

const ID_DATA = '1.2.840.113549.1.7.1';
const ID_SIGNED_DATA = '1.2.840.113549.1.7.2';
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1';

interface Digest { readonly name: string; readonly id: string; readonly ecdsaId: string }
/** The one that we write: dm-verity itself needs it, so every kernel that checks the signature has it. As openssl does for all keys. */
const SHA256: Digest = { name: 'sha256', id: '2.16.840.1.101.3.4.2.1', ecdsaId: '1.2.840.10045.4.3.2' };
const digests: readonly Digest[] = [
  SHA256,
  { name: 'sha384', id: '2.16.840.1.101.3.4.2.2', ecdsaId: '1.2.840.10045.4.3.3' },
  { name: 'sha512', id: '2.16.840.1.101.3.4.2.3', ecdsaId: '1.2.840.10045.4.3.4' },
];

/**
 * @param rootHash 64 lowercase hex digits
 * @param key RSA (signs with PKCS#1 v1.5), ECDSA P-256 or P-384
 * @param certificatePem of that key; only its issuer and serial number go into the signature
 * @returns DER; with RSA the bytes that `openssl smime -sign -nocerts -noattr -binary -outform der` makes
 * @throws FEATURE_UNSUPPORTED for an Ed25519 key, which kernels do not take; BAD_ARGUMENT when the certificate cannot be read or is of another key
 */
export async function signRootHash(rootHash: string, key: SigningKey, certificatePem: string): Promise<Uint8Array> {
  const certificate = await readCertificate(certificatePem);
  if (certificate.key.keyId !== key.keyId) {
    throw new ThawfsError('BAD_ARGUMENT', 'certificate: belongs to another key than the one that signs', {
      detail: { keyId: key.keyId, certificateKeyId: certificate.key.keyId }, suggestion: 'Give the certificate that was issued for this key.',
    });
  }
  demandKernelKey(key);
  const { AlgorithmIdentifier, ContentInfo, EncapsulatedContentInfo, SignedData, SignerInfo } = await import('pkijs');
  const { Null, OctetString } = await import('asn1js');
  const algorithm = (algorithmId: string): AlgorithmIdentifier => new AlgorithmIdentifier({ algorithmId, algorithmParams: new Null() });
  const signature = sign(SHA256.name, Buffer.from(rootHash, 'latin1'), key.privateKey);
  const signer = new SignerInfo({
    version: 1,
    sid: certificate.signer,
    digestAlgorithm: algorithm(SHA256.id),
    signatureAlgorithm: key.type === 'rsa' ? algorithm(RSA_ENCRYPTION) : new AlgorithmIdentifier({ algorithmId: SHA256.ecdsaId }),
    signature: new OctetString({ valueHex: new Uint8Array(signature) }),
  });
  const signedData = new SignedData({
    version: 1, digestAlgorithms: [algorithm(SHA256.id)], encapContentInfo: new EncapsulatedContentInfo({ eContentType: ID_DATA }), signerInfos: [signer],
  });
  return new Uint8Array(new ContentInfo({ contentType: ID_SIGNED_DATA, content: signedData.toSchema(true) }).toSchema().toBER());
}

/**
 * Checks what a kernel with this certificate in its keyring would check. The certificate's dates are not looked at; the kernel does not either.
 *
 * @param der at most PKCS7_MAX_SIZE bytes
 * @throws BAD_FIELD or LIMIT_EXCEEDED when it is no such structure; FEATURE_UNSUPPORTED for a variant that kernels refuse;
 *   KEY_UNTRUSTED when another certificate signed; SIGNATURE_INVALID when it is not over this root hash
 */
export async function verifyRootHashSignature(der: Uint8Array, rootHash: string, certificatePem: string): Promise<void> {
  const certificate = await readCertificate(certificatePem);
  demandKernelKey(certificate.key);
  const signer = onlySigner(await decodeSignedData(der));
  if (!sameName(signer.sid as IssuerAndSerialNumber, certificate.signer)) {
    throw new ThawfsError('KEY_UNTRUSTED', 'PKCS#7: signed with another certificate (issuer and serial number differ)', { suggestion: 'Give the certificate of the signer.' });
  }
  const digest = digests.find(({ id }) => id === signer.digestAlgorithm.algorithmId);
  const expected = certificate.key.type === 'rsa' ? RSA_ENCRYPTION : digest?.ecdsaId;
  if (digest === undefined || signer.signatureAlgorithm.algorithmId !== expected) {
    throw unsupported(`algorithms ${signer.digestAlgorithm.algorithmId} and ${signer.signatureAlgorithm.algorithmId} with a key of type ${certificate.key.type}`);
  }
  if (!verifies(digest.name, rootHash, certificate.key.publicKey, signer.signature.valueBlock.valueHexView)) {
    throw new ThawfsError('SIGNATURE_INVALID', 'PKCS#7: the signature is not over this root hash', {
      detail: { rootHash }, suggestion: 'Sign the root hash again: its 64 hexadecimal characters, no line end.',
    });
  }
}

function verifies(digest: string, rootHash: string, key: KeyObject, signature: Uint8Array): boolean {
  try {
    return verify(digest, Buffer.from(rootHash, 'latin1'), key, signature);
  } catch {
    return false; // As in dsse.ts: malformed is wrong.
  }
}

interface CertificateOf { readonly key: PublicKey; readonly signer: IssuerAndSerialNumber }

async function readCertificate(pem: string): Promise<CertificateOf> {
  const { Certificate, IssuerAndSerialNumber } = await import('pkijs');
  try {
    const parsed = new X509Certificate(pem);
    const { issuer, serialNumber } = Certificate.fromBER(parsed.raw);
    return { key: describeKey(parsed.publicKey, 'certificate'), signer: new IssuerAndSerialNumber({ issuer, serialNumber }) };
  } catch (cause) {
    if (cause instanceof ThawfsError) throw cause;
    throw new ThawfsError('BAD_ARGUMENT', 'certificate: cannot be read', { cause, suggestion: 'Give an X.509 certificate in PEM form; openssl x509 -in FILE -noout checks it.' });
  }
}

async function decodeSignedData(der: Uint8Array): Promise<SignedData> {
  if (der.length > PKCS7_MAX_SIZE) {
    throw new ThawfsError('LIMIT_EXCEEDED', `PKCS#7: ${der.length} bytes, at most ${PKCS7_MAX_SIZE} are allowed`, { detail: { record: 'PKCS#7', size: der.length } });
  }
  const { ContentInfo, SignedData } = await import('pkijs');
  const { fromBER } = await import('asn1js');
  try {
    const { result, offset } = fromBER(der);
    if (offset !== der.length) throw new Error(`${der.length - Math.max(0, offset)} bytes are left over`);
    const info = new ContentInfo({ schema: result });
    if (info.contentType !== ID_SIGNED_DATA) throw new Error(`content type is ${info.contentType}`);
    return new SignedData({ schema: info.content as unknown });
  } catch (cause) {
    throw new ThawfsError('BAD_FIELD', 'PKCS#7: not a SignedData structure in DER', { detail: { record: 'PKCS#7' }, cause });
  }
}

function onlySigner({ encapContentInfo, signerInfos, certificates = [] }: SignedData): SignerInfo {
  const [signer] = signerInfos;
  if (signer === undefined || signerInfos.length !== 1) throw unsupported(`${signerInfos.length} signers`);
  if (encapContentInfo.eContentType !== ID_DATA || encapContentInfo.eContent !== undefined) throw unsupported('content inside, or of another type than data');
  if (certificates.length > 0) throw unsupported('certificates inside');
  if (signer.signedAttrs !== undefined) throw unsupported('signed attributes');
  if (!('issuer' in signer.sid)) throw unsupported('a signer named by its key identifier');
  return signer;
}

function sameName(a: IssuerAndSerialNumber, b: IssuerAndSerialNumber): boolean {
  return Buffer.compare(new Uint8Array(a.toSchema().toBER()), new Uint8Array(b.toSchema().toBER())) === 0;
}

function demandKernelKey({ type }: PublicKey): void {
  if (type !== 'ed25519') return;
  throw new ThawfsError('FEATURE_UNSUPPORTED', 'PKCS#7: kernels do not check Ed25519 signatures over a root hash', {
    detail: { keyType: type }, suggestion: 'Use an RSA or ECDSA key with its certificate here, and the Ed25519 key for the signature over the manifest.',
  });
}

function unsupported(what: string): ThawfsError {
  return new ThawfsError('FEATURE_UNSUPPORTED', `PKCS#7: ${what}: kernels and systemd do not take that`, {
    suggestion: 'Sign with openssl smime -sign -nocerts -noattr -binary -outform der.',
  });
}
