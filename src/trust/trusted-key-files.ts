/** Trust anchors from files and folders, as `--trust` names them. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fromErrno, ThawfsError } from '../errors.js';
import { MiB } from '../units.js';
import { loadTrustedKeys, type PublicKey } from './keys.js';

const KEY_FILE = /\.(?:pem|pub|crt|cer)$/;
const KEY_FILE_MAX_SIZE = MiB; // A bundle of a thousand certificates.

/**
 * @param paths PEM files, or folders of which every file named *.pem, *.pub, *.crt or *.cer is read; sub-folders are not
 * @returns each key once, in the order of the paths and of the file names
 * @throws BAD_ARGUMENT for a file that holds no public key or a private one, or a folder without keys; PATH_MISSING, NOT_PERMITTED, LIMIT_EXCEEDED
 */
export function readTrustedKeys(paths: readonly string[]): PublicKey[] {
  const keys = paths.flatMap(keyFiles).flatMap((path) => loadTrustedKeys([readKeyFile(path)], path));
  return [...new Map(keys.map((key) => [key.keyId, key])).values()];
}

function keyFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => KEY_FILE.test(name)).sort();
    if (names.length > 0) return names.map((name) => join(path, name));
  } catch (error) {
    throw fromErrno(error, `reading trusted keys from ${path}`);
  }
  // Nobody means "trust no key" by naming a folder: it is misspelt, or not filled yet.
  throw new ThawfsError('BAD_ARGUMENT', `${path}: this folder holds no key files`, { detail: { path }, suggestion: 'Put PEM files named *.pem, *.pub, *.crt or *.cer into it.' });
}

function readKeyFile(path: string): string {
  try {
    const { size } = statSync(path);
    if (size > KEY_FILE_MAX_SIZE) {
      throw new ThawfsError('LIMIT_EXCEEDED', `${path}: ${size} bytes, key files have at most ${KEY_FILE_MAX_SIZE}`, { detail: { path, size }, suggestion: 'Name a key file.' });
    }
    return readFileSync(path, 'latin1');
  } catch (error) {
    throw fromErrno(error, `reading ${path}`);
  }
}
