/**
 * On-disk records as declared tables: offset, name, coder, note. The offset is written, not computed, so that the
 * table can be read next to the specification; {@link struct} refuses a gap, an overlap or a wrong total when the
 * module loads. Types, decode, encode, field offsets and the printed map all come from the table.
 */
import { ThawfsError } from '../errors.js';

/** Turns `size` bytes into a value and back. `void` coders are padding: absent from the value. */
export interface Coder<T> {
  readonly size: number;
  decode(view: DataView, at: number): T;
  encode(view: DataView, at: number, value: T): void;
  /** What the field holds when the value given to encode leaves it out. */
  readonly absent?: T;
  /** Padding that must be zero when decoded. */
  readonly strictZero?: boolean;
}

export const u8: Coder<number> = { size: 1, absent: 0, decode: (v, at) => v.getUint8(at), encode: (v, at, x) => { v.setUint8(at, x); } };
export const u16le: Coder<number> = { size: 2, absent: 0, decode: (v, at) => v.getUint16(at, true), encode: (v, at, x) => { v.setUint16(at, x, true); } };
export const u32le: Coder<number> = { size: 4, absent: 0, decode: (v, at) => v.getUint32(at, true), encode: (v, at, x) => { v.setUint32(at, x, true); } };
export const i32le: Coder<number> = { size: 4, absent: 0, decode: (v, at) => v.getInt32(at, true), encode: (v, at, x) => { v.setInt32(at, x, true); } };
export const u64le: Coder<bigint> = { size: 8, absent: 0n, decode: (v, at) => v.getBigUint64(at, true), encode: (v, at, x) => { v.setBigUint64(at, x, true); } };
export const i64le: Coder<bigint> = { size: 8, absent: 0n, decode: (v, at) => v.getBigInt64(at, true), encode: (v, at, x) => { v.setBigInt64(at, x, true); } };
export const u16be: Coder<number> = { size: 2, absent: 0, decode: (v, at) => v.getUint16(at), encode: (v, at, x) => { v.setUint16(at, x); } };
export const u32be: Coder<number> = { size: 4, absent: 0, decode: (v, at) => v.getUint32(at), encode: (v, at, x) => { v.setUint32(at, x); } };

function raw(view: DataView, at: number, size: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, size);
}

/** Fixed bytes. Decoded as a copy that the caller owns. A shorter value is padded with zeros. */
export function bytes(size: number): Coder<Uint8Array> {
  return {
    size, absent: new Uint8Array(0),
    decode: (view, at) => raw(view, at, size).slice(),
    encode: (view, at, value) => {
      if (value.length > size) throw new RangeError(`expected at most ${size} bytes, got ${value.length}`);
      raw(view, at, size).fill(0).set(value);
    },
  };
}

/** Single-byte text padded with NUL; decoding stops at the first NUL. */
export function chars(size: number): Coder<string> {
  const body = bytes(size);
  return {
    size, absent: '',
    decode: (view, at) => {
      const all = raw(view, at, size);
      const end = all.indexOf(0);
      return Buffer.from(end < 0 ? all : all.subarray(0, end)).toString('latin1');
    },
    encode: (view, at, value) => { body.encode(view, at, Buffer.from(value, 'latin1')); },
  };
}

/** `count` values in a row. A shorter list is padded with zeros. */
export function array<T>(item: Coder<T>, count: number): Coder<T[]> {
  return {
    size: item.size * count, absent: [],
    decode: (view, at) => Array.from({ length: count }, (_, i) => item.decode(view, at + i * item.size)),
    encode: (view, at, values) => {
      if (values.length > count) throw new RangeError(`expected at most ${count} values, got ${values.length}`);
      raw(view, at, item.size * count).fill(0);
      values.forEach((value, i) => { item.encode(view, at + i * item.size, value); });
    },
  };
}

/** Bytes that must be zero. */
export function zeros(size: number): Coder<void> {
  return { size, strictZero: true, decode: () => undefined, encode: (view, at) => { raw(view, at, size).fill(0); } };
}

/** Bytes we neither use nor judge: ignored when decoded, zero when encoded. */
export function reserved(size: number): Coder<void> {
  return { size, decode: () => undefined, encode: (view, at) => { raw(view, at, size).fill(0); } };
}

export type Row = readonly [offset: number, name: string, coder: Coder<unknown>, note?: string];

type FieldNames<R extends readonly Row[]> = { [K in keyof R]: R[K] extends readonly [number, infer N, infer C, ...unknown[]] ? (C extends Coder<infer T> ? ([T] extends [void] ? never : N) : never) : never }[number];
type FieldType<R extends readonly Row[], Name> = { [K in keyof R]: R[K] extends readonly [number, Name, infer C, ...unknown[]] ? (C extends Coder<infer T> ? T : never) : never }[number];
type ValueOf<R extends readonly Row[]> = { -readonly [N in FieldNames<R> & string]: FieldType<R, N> };

export interface Struct<V> {
  readonly name: string;
  readonly size: number;
  readonly rows: readonly Row[];
  /** @throws TRUNCATED when fewer than `size` bytes follow `at`; BAD_FIELD when a must-be-zero field is not. */
  decode(source: Uint8Array, at?: number): V;
  /** Writes the record into `target` at `at`; fields left out of `value` become zero. @returns `target`, by default a new array of `size` bytes */
  encode(value: Partial<V>, target?: Uint8Array, at?: number): Uint8Array;
  /** @returns the byte offset of a field inside the record. */
  offsetOf(field: keyof V & string): number;
}

/** The value type of a struct. */
export type StructOf<S> = S extends Struct<infer V> ? V : never;

/**
 * @param name for messages
 * @param size bytes in all
 * @param rows in disk order: offset, field name, coder, note (the specification's own name of the field, where it has one)
 */
export function struct<const R extends readonly Row[]>(name: string, size: number, rows: R): Struct<ValueOf<R>> {
  let expected = 0;
  const seen = new Map<string, number>();
  for (const [offset, field, coder] of rows) {
    if (offset !== expected) throw new Error(`${name}.${field}: declared at ${offset}, but the previous field ends at ${expected}`);
    if (seen.has(field)) throw new Error(`${name}.${field}: declared twice`);
    seen.set(field, offset);
    expected += coder.size;
  }
  if (expected !== size) throw new Error(`${name}: fields end at ${expected}, declared size is ${size}`);
  const plain = rows.map(([offset, field, coder]) => ({ offset, field, coder }));
  const values = plain.filter(({ coder }) => !isPadding(coder));
  const mustBeZero = plain.filter(({ coder }) => coder.strictZero);

  return {
    name, size, rows,
    decode(source, at = 0) {
      if (at < 0 || at + size > source.length) {
        throw new ThawfsError('TRUNCATED', `${name}: needs ${size} bytes, ${Math.max(0, source.length - at)} are left`, { detail: { record: name, offset: at } });
      }
      const view = new DataView(source.buffer, source.byteOffset + at, size);
      for (const { offset, field, coder } of mustBeZero) {
        if (raw(view, offset, coder.size).some((byte) => byte !== 0)) {
          throw new ThawfsError('BAD_FIELD', `${name}.${field}: must be zero`, { detail: { record: name, field, offset: at + offset } });
        }
      }
      const value: Record<string, unknown> = {};
      for (const { offset, field, coder } of values) value[field] = coder.decode(view, offset);
      return value as ValueOf<R>;
    },
    encode(value, target = new Uint8Array(size), at = 0) {
      const view = new DataView(target.buffer, target.byteOffset + at, size);
      const given = value as Record<string, unknown>;
      for (const { offset, field, coder } of plain) coder.encode(view, offset, given[field] ?? coder.absent);
      return target;
    },
    offsetOf: (field) => seen.get(field)!,
  };
}

/** One field of a decoded record, for printed maps. */
export interface MappedField {
  /** From the start of the source. */
  readonly offset: number;
  readonly length: number;
  readonly field: string;
  /** Numbers in decimal, bytes in hex, padding empty. */
  readonly value: string;
  readonly note: string;
}

/** @returns every field of the record at `at`, in disk order. @throws TRUNCATED; must-be-zero fields are shown, not judged */
export function mapRecord<V>({ name, size, rows }: Struct<V>, source: Uint8Array, at = 0): MappedField[] {
  if (at < 0 || at + size > source.length) throw new ThawfsError('TRUNCATED', `${name}: needs ${size} bytes`, { detail: { record: name, offset: at } });
  const view = new DataView(source.buffer, source.byteOffset + at, size);
  return rows.map(([offset, field, coder, note = '']) => ({
    offset: at + offset, length: coder.size, field, value: isPadding(coder) ? '' : spell(coder.decode(view, offset)), note,
  }));
}

function spell(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return Array.isArray(value) ? value.map(spell).join(' ') : String(value);
}

function isPadding(coder: Coder<unknown>): boolean {
  return coder.absent === undefined;
}

/**
 * The one way from a 64-bit field to a number.
 *
 * @throws LIMIT_EXCEEDED above 2^53-1, naming the field
 */
export function toSafeNumber(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < BigInt(Number.MIN_SAFE_INTEGER)) {
    throw new ThawfsError('LIMIT_EXCEEDED', `${field}: ${value} is beyond 2^53-1`, { detail: { field } });
  }
  return Number(value);
}
