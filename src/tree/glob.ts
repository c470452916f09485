/**
 * Patterns of paths, the subset of gitignore's rules that tar and rsync share in spirit:
 * a pattern without a slash matches a name at any depth; with one (leading or inside) a path from the root; a trailing slash
 * restricts it to directories. `*` any run of bytes in a name, `?` one character, `[a-z]` `[!a-z]` one byte, `\` takes the next
 * byte as it is, `**` as a whole name any number of names. No negation. Time is bounded by pattern length times path length.
 */
import { fromText } from '../bytes/byte-string.js';
import type { ByteString } from '../bytes/byte-string.js';
import { ThawfsError } from '../errors.js';

/** @param path from the root, without a leading slash */
export type PathMatcher = (path: ByteString, isDirectory: boolean) => boolean;

/** Tells whether the byte at a position of a name is in a set. */
interface Atom { readonly kind: 'byte' | 'any' | 'set' | 'star'; readonly has: (byte: number) => boolean }

const anyNames = Symbol('**');
type Segment = readonly Atom[] | typeof anyNames;

/**
 * @param text as typed
 * @throws BAD_ARGUMENT for an empty pattern, an open set, a trailing backslash, or a leading `!`
 */
export function compileGlob(text: string): PathMatcher {
  const refuse = (why: string): ThawfsError => new ThawfsError('BAD_ARGUMENT', `pattern "${text}" ${why}`, { detail: { value: text } });
  const pattern = fromText(text);
  if (pattern.startsWith('!')) throw refuse('starts with "!": negation is not supported; write "\\!" for the character');
  const directoriesOnly = pattern.endsWith('/');
  const body = pattern.replace(/\/+$/, '');
  const names = body.split('/').filter((name) => name !== '');
  if (names.length === 0) throw refuse('matches nothing');
  const segments = names.map((name): Segment => (name === '**' ? anyNames : parseName(name, refuse)));
  const anchored = body.includes('/');
  return (path, isDirectory) => {
    if (directoriesOnly && !isDirectory) return false;
    const parts = anchored ? path.split('/') : [path.slice(path.lastIndexOf('/') + 1)];
    return matchPath(segments, parts);
  };
}

/** @returns a matcher for paths that any of the patterns matches, or that lie below such a directory when asked from the top down. */
export function compileGlobs(texts: readonly string[]): PathMatcher {
  const matchers = texts.map(compileGlob);
  return (path, isDirectory) => matchers.some((matches) => matches(path, isDirectory));
}

function parseName(name: ByteString, refuse: (why: string) => ThawfsError): Atom[] {
  const atoms: Atom[] = [];
  const literal = (byte: number): Atom => ({ kind: 'byte', has: (other) => other === byte });
  for (let at = 0; at < name.length; at++) {
    const character = name[at]!;
    if (character === '*') {
      if (atoms.at(-1)?.kind !== 'star') atoms.push({ kind: 'star', has: () => true });
    } else if (character === '?') {
      atoms.push({ kind: 'any', has: () => true });
    } else if (character === '[') {
      const negated = name[at + 1] === '!' || name[at + 1] === '^';
      const start = at + (negated ? 2 : 1);
      const end = name.indexOf(']', start + 1); // A bracket that comes first is a member.
      if (end < 0) throw refuse('has a "[" without its "]"');
      atoms.push({ kind: 'set', has: parseSet(name.slice(start, end), negated) });
      at = end;
    } else if (character === '\\') {
      at++;
      if (at === name.length) throw refuse('ends in a backslash');
      atoms.push(literal(name.charCodeAt(at)));
    } else {
      atoms.push(literal(character.charCodeAt(0)));
    }
  }
  return atoms;
}

function parseSet(members: ByteString, negated: boolean): (byte: number) => boolean {
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < members.length; at++) {
    const isRange = members[at + 1] === '-' && at + 2 < members.length;
    ranges.push([members.charCodeAt(at), members.charCodeAt(isRange ? at + 2 : at)]);
    if (isRange) at += 2;
  }
  return (byte) => ranges.some(([low, high]) => byte >= low && byte <= high) !== negated;
}

/**
 * Both matchers below go on from the last star only: what an earlier star took need never be tried again, because a later
 * star can take whatever an earlier one gives up.
 */
function matchPath(segments: readonly Segment[], names: readonly ByteString[]): boolean {
  let [segment, name, star, taken] = [0, 0, -1, 0];
  while (name < names.length) {
    const current = segments[segment];
    if (current === anyNames) {
      // At the end it stands for what is inside a directory, so for one name at least.
      if (segment === segments.length - 1) return true;
      star = segment++;
      taken = name;
    } else if (current !== undefined && matchName(current, names[name]!)) {
      segment++;
      name++;
    } else if (star >= 0) {
      segment = star + 1;
      name = ++taken;
    } else {
      return false;
    }
  }
  return segment === segments.length;
}

function matchName(atoms: readonly Atom[], name: ByteString): boolean {
  let [atom, at, star, taken] = [0, 0, -1, 0];
  while (at < name.length) {
    const current = atoms[atom];
    if (current?.kind === 'star') {
      star = atom++;
      taken = at;
    } else if (current?.has(name.charCodeAt(at)) === true) {
      atom++;
      at = current.kind === 'any' ? afterCharacter(name, at) : at + 1;
    } else if (star >= 0) {
      atom = star + 1;
      at = ++taken;
    } else {
      return false;
    }
  }
  if (atoms[atom]?.kind === 'star') atom++;
  return atom === atoms.length;
}

/** @returns the position after the character at `at`: the bytes 0x80-0xbf that follow the first of a UTF-8 sequence belong to it. */
function afterCharacter(name: ByteString, at: number): number {
  const isSequence = name.charCodeAt(at) >= 0xc0;
  let end = at + 1;
  while (isSequence && end < name.length && (name.charCodeAt(end) & 0xc0) === 0x80) end++;
  return end;
}
