/** Flags that several commands share, and the texts they accept. Parsers throw BAD_ARGUMENT that says what is accepted. */
import { custom } from '@oclif/core/flags';
import { parseHex } from '../bytes/hex.js';
import { parseUuid } from '../bytes/uuid.js';
import { ThawfsError } from '../errors.js';
import type { Platform } from '../tree/oci-json.js';
import { parseSize } from '../units.js';

/** `64K`, `1.5G`, bytes. */
export const sizeFlag = custom<number>({ helpValue: 'SIZE', parse: (text, _context, { name }) => Promise.resolve(parseSize(text, `--${name}`)) });

/** Seconds since 1970. */
export const timeFlag = custom<number>({ helpValue: 'TIME', parse: (text, _context, { name }) => Promise.resolve(parseTime(text, `--${name}`, Date.now() / 1000)) });

export const hexFlag = custom<Uint8Array>({ helpValue: 'HEX', parse: (text, _context, { name }) => Promise.resolve(parseHex(text, `--${name}`)) });

export const uuidFlag = custom<Uint8Array>({ helpValue: 'UUID', parse: (text, _context, { name }) => Promise.resolve(parseUuid(text, `--${name}`)) });

/** `20%` or `20`: a share from 0 to 1. */
export const percentFlag = custom<number>({ helpValue: 'PERCENT', parse: (text, _context, { name }) => Promise.resolve(parsePercent(text, `--${name}`)) });

/** @returns a share, 0 to 1 @throws BAD_ARGUMENT */
export function parsePercent(text: string, label: string): number {
  const value = /^(\d{1,3}(?:\.\d+)?)%?$/.exec(text)?.[1];
  if (value !== undefined && Number(value) <= 100) return Number(value) / 100;
  throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not a percentage`, { detail: { label, value: text }, suggestion: 'Write a number from 0 to 100, for example 20%.' });
}

export interface Owner { readonly uid: number; readonly gid: number }

export const ownerFlag = custom<Owner>({ helpValue: 'UID:GID', parse: (text, _context, { name }) => Promise.resolve(parseOwner(text, `--${name}`)) });

export const platformFlag = custom<Platform>({ helpValue: 'OS/ARCH[/VARIANT]', parse: (text, _context, { name }) => Promise.resolve(parsePlatform(text, `--${name}`)) });

/** @throws BAD_ARGUMENT */
export function parsePlatform(text: string, label: string): Platform {
  const [, os, architecture, variant] = /^([a-z0-9]+)\/([a-z0-9_]+)(?:\/([a-z0-9.]+))?$/.exec(text) ?? [];
  if (os !== undefined && architecture !== undefined) return { os, architecture, ...(variant === undefined ? {} : { variant }) };
  throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not a platform`, { detail: { label, value: text }, suggestion: 'Write it as container images do, for example linux/arm64 or linux/arm/v7.' });
}

const spanSeconds: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86400, w: 7 * 86400, y: 365 * 86400 };

/**
 * @param text ISO 8601 date or date with time (UTC unless it says otherwise), `@` or nothing and seconds since 1970, or a span from now: `30d`, `12h`
 * @param now seconds since 1970
 * @returns whole seconds since 1970
 * @throws BAD_ARGUMENT
 */
export function parseTime(text: string, label: string, now: number): number {
  const span = /^\+?(\d+)([smhdwy])$/.exec(text);
  const seconds = span !== null ? now + Number(span[1]) * spanSeconds[span[2]!]!
    : /^@?\d+$/.test(text) ? Number(text.replace('@', ''))
    : /^\d{4}-\d\d-\d\d(?:[T ].*)?$/.test(text) ? parseDate(text) / 1000 : NaN;
  const whole = Math.floor(seconds);
  if (Number.isSafeInteger(whole) && whole >= 0) return whole;
  throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not a time`, {
    detail: { label, value: text }, suggestion: 'Write a date (2030-01-31 or 2030-01-31T12:00:00Z), seconds since 1970, or a span from now (30d, 12h).',
  });
}

/** A time without a zone would depend on the machine's; here it is UTC, as a date without a time is. */
function parseDate(text: string): number {
  const iso = text.replace(' ', 'T');
  return Date.parse(!iso.includes('T') || /(?:Z|[+-]\d\d:?\d\d)$/.test(iso) ? iso : `${iso}Z`);
}

const ID_AT_MOST = 0xffff_fffe; // (uid_t)-1 means "leave it"

/** @throws BAD_ARGUMENT */
export function parseOwner(text: string, label: string): Owner {
  const match = /^(\d{1,10}):(\d{1,10})$/.exec(text);
  const [uid, gid] = [Number(match?.[1]), Number(match?.[2])];
  if (uid <= ID_AT_MOST && gid <= ID_AT_MOST) return { uid, gid };
  throw new ThawfsError('BAD_ARGUMENT', `${label}: "${text}" is not UID:GID`, {
    detail: { label, value: text }, suggestion: 'Write two numbers, for example 0:0 or 1000:100.',
  });
}
