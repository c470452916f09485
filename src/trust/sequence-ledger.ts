/**
 * The highest sequence accepted per image name and key, on disk: what makes a rollback visible after a restart.
 * One file per name, `sequences/<SHA-256 of the name>.json`, replaced whole by rename; writers take turns through a lock.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { decodeCanonicalJson, encodeCanonicalJson } from '../bytes/canonical-json.js';
import { JsonFields } from '../bytes/json-fields.js';
import { toHex } from '../bytes/hex.js';
import { fromErrno, ThawfsError } from '../errors.js';
import { withFileLock } from '../sys/file-lock.js';
import { makeFolder } from '../sys/make-folder.js';
import type { SequenceMemory } from './policy.js';

interface Environment { readonly XDG_STATE_HOME?: string | undefined; readonly HOME?: string | undefined }

/**
 * @param environment by default the process's
 * @param isRoot by default whether this process is
 * @returns `$XDG_STATE_HOME/thawfs`; without it `/var/lib/thawfs` for root and `~/.local/state/thawfs` for others
 */
export function stateFolder(environment: Environment = process.env, isRoot = process.getuid?.() === 0): string {
  const { XDG_STATE_HOME: stateHome = '' } = environment;
  if (stateHome.startsWith('/')) return join(stateHome, 'thawfs'); // A relative path is invalid (XDG Base Directory Specification 0.8).
  return isRoot ? '/var/lib/thawfs' : join(environment.HOME ?? homedir(), '.local/state/thawfs');
}

export class SequenceLedger implements SequenceMemory {
  private readonly folder: string;

  /** @param folder of all state, by default {@link stateFolder}; made on the first {@link raise} */
  constructor(folder = stateFolder()) {
    this.folder = join(folder, 'sequences');
  }

  /**
   * @returns the highest sequence that was accepted for `name` under any of these keys; 0, the lowest there is, when none was
   * @throws BAD_FIELD for a damaged file: forgetting it silently would allow the rollback that it is there to prevent
   */
  lastSeen(name: string, keyIds: readonly string[]): number {
    const sequences = this.read(name);
    return Math.max(0, ...keyIds.map((keyId) => sequences.get(keyId) ?? 0));
  }

  /**
   * Remembers `sequence` for each of these keys where it is higher; writes nothing when it is nowhere. Safe against other processes,
   * and against a kill or power cut at any point.
   *
   * @throws NOT_PERMITTED, NO_SPACE, IO_FAILED when it cannot be kept; BAD_FIELD for a damaged file
   */
  raise(name: string, keyIds: readonly string[], sequence: number): void {
    if (this.raised(name, keyIds, sequence) === undefined) return; // So that a place where nothing can be written does for images that do not count.
    try {
      makeFolder(this.folder, 0o755);
      const lock = openSync(join(this.folder, '.lock'), 'a', 0o644);
      try {
        withFileLock(lock, () => {
          const sequences = this.raised(name, keyIds, sequence);
          if (sequences !== undefined) replaceFile(this.folder, this.path(name), encodeCanonicalJson({ name, sequences: Object.fromEntries(sequences) }));
        });
      } finally {
        closeSync(lock);
      }
    } catch (error) {
      const { code, message, detail } = fromErrno(error, `remembering sequence ${sequence} of ${name} in ${this.folder}`);
      throw new ThawfsError(code, message, {
        detail, cause: error, suggestion: 'Set XDG_STATE_HOME to a folder that can be written and is kept; without one a rollback would go unnoticed.',
      });
    }
  }

  /** @returns the record with `sequence` in it, or undefined when it is higher for none of the keys */
  private raised(name: string, keyIds: readonly string[], sequence: number): Map<string, number> | undefined {
    const sequences = this.read(name);
    const higher = keyIds.filter((keyId) => sequence > (sequences.get(keyId) ?? 0));
    for (const keyId of higher) sequences.set(keyId, sequence);
    return higher.length === 0 ? undefined : sequences;
  }

  private path(name: string): string {
    return join(this.folder, `${toHex(createHash('sha256').update(name).digest())}.json`);
  }

  private read(name: string): Map<string, number> {
    const path = this.path(name);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw fromErrno(error, `reading ${path}`);
    }
    try {
      return decodeSequences(bytes, name);
    } catch (cause) {
      throw new ThawfsError('BAD_FIELD', `${path}: the record of accepted sequences of ${name} is damaged`, {
        detail: { path, name }, cause, suggestion: 'Restore the file; removing it forgets which sequence was accepted last, so check the image first.',
      });
    }
  }
}

function decodeSequences(bytes: Uint8Array, name: string): Map<string, number> {
  const fields = new JsonFields(decodeCanonicalJson(bytes, 'sequences'), 'sequences');
  if (fields.text('name', /^/) !== name) throw new ThawfsError('BAD_FIELD', 'sequences.name: another name', { detail: { record: 'sequences', field: 'name' } });
  const sequences = fields.record('sequences').integers(/^[0-9a-f]{64}$/, 0);
  fields.refuseOthers();
  return sequences;
}

/** The caller holds the lock, so the temporary name has one user. */
function replaceFile(folder: string, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.partial`;
  writeFileSync(temporary, bytes, { mode: 0o644 });
  sync(temporary); // Here, unlike for chunks, no digest would tell an empty file after a power cut from a new one.
  renameSync(temporary, path);
  sync(folder);
}

function sync(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
