/** Canonical JSON: what is signed must have exactly one spelling. Keys sorted by UTF-16 code unit, no white space, integers only. */
import { ThawfsError } from '../errors.js';

/** Deepest nesting: our records have four levels, and a hostile one must not exhaust the stack. */
const MAX_DEPTH = 16;

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

/**
 * The JSON Canonicalization Scheme (RFC 8785) for the subset without fractions.
 *
 * @throws BAD_FIELD for a number that is not a safe integer, or nesting deeper than 16 levels
 */
export function encodeCanonicalJson(value: JsonValue): Uint8Array {
  return new TextEncoder().encode(spell(value));
}

/**
 * Parses and insists on the canonical spelling, so that one value never has two digests.
 *
 * @param label names the record in messages
 * @throws BAD_FIELD when it is not JSON or not canonical (duplicate keys included: they do not survive re-encoding)
 */
export function decodeCanonicalJson(bytes: Uint8Array, label: string): JsonValue {
  let value: JsonValue;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) as JsonValue;
  } catch (cause) {
    throw new ThawfsError('BAD_FIELD', `${label}: not valid JSON`, { detail: { record: label }, cause });
  }
  if (Buffer.compare(encodeCanonicalJson(value), bytes) !== 0) {
    throw new ThawfsError('BAD_FIELD', `${label}: JSON is not in its canonical form`, { detail: { record: label } });
  }
  return value;
}

function spell(value: JsonValue, depth = 0): string {
  if (depth > MAX_DEPTH) throw new ThawfsError('BAD_FIELD', `canonical JSON: nested deeper than ${MAX_DEPTH} levels`);
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new ThawfsError('BAD_FIELD', `canonical JSON: ${value} is not a safe integer`);
  }
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: JsonValue) => spell(item, depth + 1)).join(',')}]`;
  const record = value as Readonly<Record<string, JsonValue | undefined>>;
  const parts = Object.keys(record).sort().flatMap((key) => {
    const item = record[key];
    return item === undefined ? [] : [`${JSON.stringify(key)}:${spell(item, depth + 1)}`];
  });
  return `{${parts.join(',')}}`;
}
