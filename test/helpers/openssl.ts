/** OpenSSL as the outside judge of keys and signatures. */
import { execFileSync, spawnSync } from 'node:child_process';

/** @returns standard output; throws with its standard error when it fails */
export function openssl(args: readonly string[], input: Uint8Array = new Uint8Array(0)): Buffer {
  return execFileSync('openssl', args, { input, stdio: ['pipe', 'pipe', 'pipe'] });
}

/** @returns whether it ended with status 0: what a verification says */
export function opensslAccepts(args: readonly string[], input: Uint8Array = new Uint8Array(0)): boolean {
  return spawnSync('openssl', args, { input }).status === 0;
}

/** Writes a self-signed certificate for a key file. @param subject for example `/CN=signer` */
export function selfSign(keyPath: string, certificatePath: string, subject: string, ...more: readonly string[]): void {
  openssl(['req', '-x509', '-new', '-key', keyPath, '-out', certificatePath, '-subj', subject, '-utf8', '-days', '3650', ...more]);
}
