/**
 * Recording what is read of a mounted image into a profile. The file is the state: it is replaced as a whole a moment after something
 * new was read and in the end, and a server that follows another goes on from what it finds there.
 */
import { readFileSync, rmSync, statSync } from 'node:fs';
import { ChunkMissing, type RandomAccess } from '../../bytes/random-access.js';
import { fromErrno, hasCode, ThawfsError } from '../../errors.js';
import { writeFully } from '../../sys/write.js';
import { OutputFile } from '../output-file.js';
import { BlockLog } from './block-log.js';
import { ProfileLocator } from './locate.js';
import { decodeProfile, encodeProfile, PROFILE_MAX_SIZE, PROFILE_MAX_VISITS, type Profile } from './profile.js';
import { visitsOf } from './visits.js';

/** From a read until it is in the file, milliseconds. */
const SAVE_DELAY = 2000;

export class Recording {
  private readonly log = new BlockLog();
  private timer: NodeJS.Timeout | undefined;
  private changed = false;
  private failure: string | undefined;

  /**
   * @param path a file that {@link startRecording} has made
   * @param image whose reads are recorded; throws ChunkMissing for what is not here
   */
  constructor(private readonly path: string, private readonly rootHash: string, private readonly image: RandomAccess) {}

  /** Facts for `status`. */
  get status(): Readonly<Record<string, unknown>> {
    return { path: this.path, ...(this.failure === undefined ? {} : { failure: this.failure }) };
  }

  /** Something was read. @param offset of the raw image */
  add(offset: number, length: number): void {
    if (this.log.add(offset, length).length === 0) return;
    this.changed = true;
    this.timer ??= setTimeout(() => { this.save(); }, SAVE_DELAY);
  }

  /** Writes what was read so far. A failure is told in {@link status}: no reader shall suffer from it. */
  save(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (!this.changed) return;
    try {
      writeProfile(this.path, { rootHash: this.rootHash, visits: visitsOf(this.image, this.log).slice(0, PROFILE_MAX_VISITS) });
      this.changed = false;
      this.failure = undefined;
    } catch (error) {
      // Without the superblock nothing was read of any file yet.
      if (!(error instanceof ChunkMissing)) this.failure = error instanceof Error ? error.message : String(error);
    }
  }

  /** What a server before this one has recorded counts as read. */
  resume(): void {
    try {
      const profile = readProfile(this.path);
      if (profile.rootHash !== this.rootHash) return;
      const locator = new ProfileLocator(this.image);
      for (const visit of profile.visits) for (const { offset, length } of locator.locate(visit) ?? []) this.log.add(offset, length);
    } catch (error) {
      if (!(error instanceof ChunkMissing) && !hasCode(error)) throw error;
    }
  }
}

/**
 * Makes the file that a recording goes to, empty: what cannot be written is found now. A profile that is there is replaced.
 *
 * @returns how to undo that, where nothing comes to be recorded
 * @throws BAD_ARGUMENT when the file is something else; PATH_MISSING, NOT_PERMITTED, NO_SPACE
 */
export function startRecording(path: string, rootHash: string): () => void {
  let before: Profile | undefined;
  try {
    before = readProfile(path);
  } catch (error) {
    if (hasCode(error, 'BAD_MAGIC', 'LIMIT_EXCEEDED', 'BAD_ARGUMENT')) {
      throw new ThawfsError('BAD_ARGUMENT', `${path}: is not a profile, and is not overwritten`, { detail: { path }, suggestion: 'Name a new file.' });
    }
    if (!hasCode(error)) throw error; // a damaged profile, or none: a new one is written
  }
  writeProfile(path, { rootHash, visits: [] });
  return () => {
    if (before === undefined) rmSync(path, { force: true });
    else writeProfile(path, before);
  };
}

/** @throws PATH_MISSING, NOT_PERMITTED, IO_FAILED; BAD_ARGUMENT when it is no regular file; what decodeProfile throws */
export function readProfile(path: string): Profile {
  return decodeProfile(readProfileBytes(path));
}

/** @returns the file's bytes. @throws as {@link readProfile}, but for its content */
export function readProfileBytes(path: string): Uint8Array {
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new ThawfsError('BAD_ARGUMENT', `${path}: not a regular file`, { detail: { path }, suggestion: 'Name a profile.' });
    if (stat.size > PROFILE_MAX_SIZE) throw new ThawfsError('LIMIT_EXCEEDED', `${path}: ${stat.size} bytes, a profile has at most ${PROFILE_MAX_SIZE}`, { detail: { path, size: stat.size } });
    return readFileSync(path);
  } catch (error) {
    throw fromErrno(error, `reading ${path}`);
  }
}

function writeProfile(path: string, profile: Profile): void {
  const file = OutputFile.create(path);
  try {
    const bytes = encodeProfile(profile);
    writeFully(file.fd, bytes);
    file.commit();
  } catch (error) {
    throw fromErrno(error, `writing ${path}`);
  } finally {
    file.discard();
  }
}
