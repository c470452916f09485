/** Strict reading of a JSON record: every field is asked for by name and type, and what nobody asked for is refused. */
import type { JsonValue } from './canonical-json.js';
import { ThawfsError } from '../errors.js';

/** Reads a JSON object field by field, and knows which fields nobody asked for. */
export class JsonFields {
  private readonly left: Map<string, JsonValue>;

  constructor(value: JsonValue | undefined, private readonly label: string) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw this.bad('', 'an object');
    this.left = new Map(Object.entries(value as Record<string, JsonValue>));
  }

  integer(field: string, least: number, most = Number.MAX_SAFE_INTEGER): number {
    const value = this.take(field);
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least || value > most) throw this.bad(field, `an integer from ${least} to ${most}`);
    return value;
  }

  exactly<N extends number>(field: string, wanted: N): N {
    this.integer(field, wanted, wanted);
    return wanted;
  }

  text(field: string, pattern: RegExp): string {
    const value = this.take(field);
    if (typeof value !== 'string' || !pattern.test(value)) throw this.bad(field, `text like ${pattern.source}`);
    return value;
  }

  record(field: string): JsonFields {
    return new JsonFields(this.take(field), `${this.label}.${field}`);
  }

  list(field: string): readonly JsonValue[] {
    const value = this.take(field);
    if (!Array.isArray(value)) throw this.bad(field, 'a list');
    return value as readonly JsonValue[];
  }

  texts(): Record<string, string> {
    return Object.fromEntries([...this.left.keys()].sort().map((key) => [key, this.text(key, /^[^\x00-\x1f\x7f]{0,1000}$/)])); // eslint-disable-line no-control-regex
  }

  /** All fields left, each an integer under a name like `pattern`. */
  integers(pattern: RegExp, least: number): Map<string, number> {
    return new Map([...this.left.keys()].map((key) => {
      if (!pattern.test(key)) throw this.bad(key, `a name like ${pattern.source}`);
      return [key, this.integer(key, least)];
    }));
  }

  optional<K extends string, V>(field: K, read: () => V): { [P in K]?: V } {
    return this.left.has(field) ? { [field]: read() } as { [P in K]?: V } : {};
  }

  refuseOthers(): void {
    const [other] = this.left.keys();
    if (other !== undefined) throw this.bad(other, 'no such field');
  }

  private take(field: string): JsonValue | undefined {
    const value = this.left.get(field);
    this.left.delete(field);
    return value;
  }

  private bad(field: string, expected: string): ThawfsError {
    const place = field === '' ? this.label : `${this.label}.${field}`;
    return new ThawfsError('BAD_FIELD', `${place}: expected ${expected}`, { detail: { record: this.label, field } });
  }
}
