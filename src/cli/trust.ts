/** The trust flags, and the policy they spell: which keys, how many of them, how old. Shared by every command that reads an image. */
import { readdirSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { boolean, integer, string } from '@oclif/core/flags';
import { fromErrno, ThawfsError } from '../errors.js';
import type { TrustPolicy } from '../trust/policy.js';
import { readText } from './read-file.js';

export const trustFlags = {
  'trust': string({
    multiple: true, multipleNonGreedy: true, helpValue: 'PEM|DIR', helpGroup: 'TRUST',
    summary: 'Accept what this public key or certificate signed, or the keys in this folder.',
    description: 'May be repeated. Without it, the keys in ~/.config/thawfs/trust and /etc/thawfs/trust count. Where there are none, verify refuses; reading commands warn that nobody vouches for the image.',
  }),
  'threshold': integer({ min: 1, helpValue: 'N', helpGroup: 'TRUST', summary: 'Demand signatures of this many of the trusted keys; 1 unless given.' }),
  'allow-unsigned': boolean({
    helpGroup: 'TRUST', summary: 'Accept an image without signatures, and any image when no key is trusted.',
    description: 'Its content is still checked against its own manifest, but nobody vouches for that.',
  }),
  'min-sequence': integer({ min: 0, helpValue: 'N', helpGroup: 'TRUST', summary: 'Refuse an image with a lower sequence.' }),
  'any-sequence': boolean({
    helpGroup: 'TRUST', exclusive: ['min-sequence'], summary: 'Accept a lower sequence than this machine has accepted for the name before, and remember nothing.',
  }),
};

export interface TrustFlags {
  readonly 'trust'?: readonly string[] | undefined;
  readonly 'threshold'?: number | undefined;
  readonly 'allow-unsigned': boolean;
  readonly 'min-sequence'?: number | undefined;
  readonly 'any-sequence': boolean;
}

/**
 * Reads the keys. Cryptography is loaded only now, not when the command's help is printed.
 *
 * @throws as {@link trustedPems}; BAD_ARGUMENT when a file holds no key
 */
export async function trustPolicy(flags: TrustFlags): Promise<TrustPolicy> {
  const [{ loadTrustedKeys }, { SequenceLedger }] = await Promise.all([import('../trust/keys.js'), import('../trust/sequence-ledger.js')]);
  const keys = trustedPems(flags.trust).flatMap(({ path, pem }) => loadTrustedKeys([pem], path));
  return {
    keys: [...new Map(keys.map((key) => [key.keyId, key])).values()],
    allowUnsigned: flags['allow-unsigned'],
    ...(flags.threshold === undefined ? {} : { threshold: flags.threshold }),
    ...(flags['min-sequence'] === undefined ? {} : { minimumSequence: flags['min-sequence'] }),
    ...(flags['any-sequence'] ? {} : { sequences: new SequenceLedger() }),
    now: Math.floor(Date.now() / 1000),
  };
}

/**
 * @param paths the values of `--trust`: files and folders; undefined: the default folders
 * @throws PATH_MISSING, NOT_PERMITTED; BAD_ARGUMENT for a folder without keys
 */
export function trustedPems(paths: readonly string[] | undefined): { readonly path: string; readonly pem: string }[] {
  const files = paths === undefined ? defaultKeyFiles() : paths.flatMap(keyFiles);
  return files.map((path) => ({ path, pem: readText(path) }));
}

/** @returns the folders whose keys count when no `--trust` is given: the user's, then the machine's. */
export function defaultTrustFolders(environment: { readonly [name: string]: string | undefined } = process.env): string[] {
  const config = environment['XDG_CONFIG_HOME'] ?? '';
  return [join(config.startsWith('/') ? config : join(environment['HOME'] ?? homedir(), '.config'), 'thawfs/trust'), '/etc/thawfs/trust'];
}

/** A folder that may not be looked into is no folder without keys: what it demands is not known. */
function defaultKeyFiles(): string[] {
  return defaultTrustFolders().flatMap((folder) => {
    try {
      return statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true ? keysIn(folder) : [];
    } catch (error) {
      const { code, message, detail } = fromErrno(error, `trusted keys in ${folder}`);
      throw new ThawfsError(code, message, { detail, cause: error, suggestion: 'Name the keys with --trust, or set HOME to a folder of this user.' });
    }
  });
}

function keyFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
  } catch (error) {
    throw fromErrno(error, '--trust');
  }
  const files = keysIn(path);
  if (files.length > 0) return files;
  throw new ThawfsError('BAD_ARGUMENT', `--trust: no key in ${path}`, { detail: { path }, suggestion: 'Put public keys or certificates there, named *.pem, *.pub or *.crt.' });
}

/** A folder, a pipe or a socket is no key whatever its name. A symlink that leads nowhere stays: not to know a key that is meant must not go unsaid. */
function keysIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => /\.(?:pem|pub|crt)$/.test(name)).sort().map((name) => join(folder, name))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? true);
}
