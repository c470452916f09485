/**
 * A start-up profile: what was read of an image, in the order in which it was first read. By path, so that it outlives a rebuild; with
 * a digest of what was read, so that one can tell whether a file is still the one that was recorded. Text; docs/profile.md is normative.
 *
 *     thawfs-profile 1 ROOTHASH
 *     /usr/bin/git 0-131071,262144-266239 DIGEST
 *     /usr/lib/git-core - -
 */
import { createHash } from 'node:crypto';
import { display, fromBytes, toBytes, type ByteString } from '../../bytes/byte-string.js';
import { ThawfsError } from '../../errors.js';
import { ABSENT, escapeField, unescapeField } from '../../tree/dump-fields.js';
import { MiB } from '../../units.js';

export const PROFILE_VERSION = 1;
/** Largest profile, bytes; most lines; most ranges of a line; longest path, bytes. */
export const PROFILE_MAX_SIZE = 32 * MiB;
export const PROFILE_MAX_VISITS = 262_144;
export const PROFILE_MAX_RANGES = 1024;
const PATH_MAX_SIZE = 4096;

/** Bytes of a file. */
export interface ByteRange { readonly offset: number; readonly length: number }

export interface ProfileVisit {
  /** From the root, with a leading slash. A path may come again when more of it was read later. */
  readonly path: ByteString;
  /** In the order in which they were read; none = only looked up. */
  readonly ranges: readonly ByteRange[];
  /** SHA-256 over the bytes of the ranges, lowercase hex; absent for what has no content, or where it was not known. */
  readonly digest?: string;
}

export interface Profile {
  /** Of the image that it was recorded on. */
  readonly rootHash: string;
  readonly visits: readonly ProfileVisit[];
}

export function encodeProfile({ rootHash, visits }: Profile): Uint8Array {
  const lines = visits.map(({ path, ranges, digest }) => {
    const spans = ranges.map(({ offset, length }) => `${offset}-${offset + length - 1}`).join(',');
    return `${escapeField(path)} ${spans === '' ? ABSENT : spans} ${digest ?? ABSENT}\n`;
  });
  return toBytes(`thawfs-profile ${PROFILE_VERSION} ${rootHash}\n${lines.join('')}`);
}

/** @returns what names a profile in a manifest */
export function profileDigest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * @throws BAD_MAGIC when it is no profile; VERSION_UNSUPPORTED; TRUNCATED when its last line is cut; BAD_FIELD with the line; LIMIT_EXCEEDED
 */
export function decodeProfile(bytes: Uint8Array): Profile {
  if (bytes.length > PROFILE_MAX_SIZE) throw beyond('size', bytes.length, PROFILE_MAX_SIZE);
  const [head, ...lines] = fromBytes(bytes).split('\n');
  const match = /^thawfs-profile (\d{1,9}) ([0-9a-f]{64})$/.exec(head!);
  if (match === null) throw new ThawfsError('BAD_MAGIC', 'profile: this is not a start-up profile', { suggestion: 'Name a file that thawfs mount --record or thawfs run --record has written.' });
  if (Number(match[1]) !== PROFILE_VERSION) {
    throw new ThawfsError('VERSION_UNSUPPORTED', `profile: version ${match[1]!}, this program reads version ${PROFILE_VERSION}`, { detail: { version: Number(match[1]) }, suggestion: 'Use a newer thawfs.' });
  }
  if (lines.pop() !== '') throw new ThawfsError('TRUNCATED', 'profile: its last line has no end', { suggestion: 'Copy or record the profile again.' });
  if (lines.length > PROFILE_MAX_VISITS) throw beyond('lines', lines.length, PROFILE_MAX_VISITS);
  return { rootHash: match[2]!, visits: lines.map((line, i) => decodeVisit(line, i + 2)) };
}

function decodeVisit(line: string, number: number): ProfileVisit {
  const [field, spans, digest, ...rest] = line.split(' ');
  const path = unescapeField(field!);
  if (spans === undefined || digest === undefined || rest.length > 0) throw bad(number, 'three fields: a path, ranges, a digest', line);
  if (path === undefined || !isPath(path)) throw bad(number, 'a path from the root, without "." and ".."', field!);
  if (digest !== ABSENT && !/^[0-9a-f]{64}$/.test(digest)) throw bad(number, 'a digest of 64 lowercase hexadecimal digits, or -', digest);
  const items = spans === ABSENT ? [] : spans.split(',');
  if (items.length > PROFILE_MAX_RANGES) throw beyond(`line ${number}: ranges`, items.length, PROFILE_MAX_RANGES);
  const ranges = items.map((item): ByteRange => {
    const [, first, last] = /^(0|[1-9]\d{0,15})-(0|[1-9]\d{0,15})$/.exec(item) ?? [];
    const [offset, length] = [Number(first), Number(last) - Number(first) + 1];
    if (!(length > 0) || !Number.isSafeInteger(offset + length)) throw bad(number, 'ranges such as 0-4095,8192-12287', item);
    return { offset, length };
  });
  return { path, ranges, ...(digest === ABSENT ? {} : { digest }) };
}

function isPath(path: ByteString): boolean {
  if (path === '/') return true;
  return path.startsWith('/') && path.length <= PATH_MAX_SIZE && !path.includes('\0') && path.slice(1).split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function bad(line: number, expected: string, found: string): ThawfsError {
  return new ThawfsError('BAD_FIELD', `profile, line ${line}: expected ${expected}, found "${display(found.slice(0, 100))}"`, {
    detail: { record: 'profile', line }, suggestion: 'Record the profile again.',
  });
}

function beyond(what: string, found: number, most: number): ThawfsError {
  return new ThawfsError('LIMIT_EXCEEDED', `profile, ${what}: ${found}, at most ${most} are allowed`, { detail: { record: 'profile', limit: most }, suggestion: 'Record a shorter run.' });
}
