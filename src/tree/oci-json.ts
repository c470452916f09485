/** The records of container images that we read (OCI image specification 1.1, and Docker's ancestors of it), checked field by field. */
import { ThawfsError } from '../errors.js';

/** A place in JSON, for messages. */
export class JsonRecord {
  constructor(private readonly value: unknown, readonly label: string) {}

  /** @throws BAD_FIELD when the bytes are not JSON */
  static parse(bytes: Uint8Array, label: string): JsonRecord {
    try {
      return new JsonRecord(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)), label);
    } catch (cause) {
      throw new ThawfsError('BAD_FIELD', `${label}: not valid JSON`, { detail: { record: label }, cause });
    }
  }

  /** A field that may be absent. */
  field(name: string): JsonRecord | undefined {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) throw this.#wrong('an object');
    const value: unknown = Object.hasOwn(this.value, name) ? (this.value as Record<string, unknown>)[name] : undefined;
    return value === undefined || value === null ? undefined : new JsonRecord(value, `${this.label}.${name}`);
  }

  /** @throws BAD_FIELD when it is not there */
  required(name: string): JsonRecord {
    const field = this.field(name);
    if (field === undefined) throw new ThawfsError('BAD_FIELD', `${this.label}: there is no ${name}`, { detail: { record: this.label, field: name } });
    return field;
  }

  items(): JsonRecord[] {
    if (!Array.isArray(this.value)) throw this.#wrong('a list');
    return this.value.map((item: unknown, i) => new JsonRecord(item, `${this.label}[${i}]`));
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.#wrong('a text');
    return this.value;
  }

  number(): number {
    if (typeof this.value !== 'number' || !Number.isSafeInteger(this.value) || this.value < 0) throw this.#wrong('a number');
    return this.value;
  }

  #wrong(what: string): ThawfsError {
    return new ThawfsError('BAD_FIELD', `${this.label} is not ${what}`, { detail: { record: this.label } });
  }
}

export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex digits, checked. */
  readonly digest: string;
  readonly size: number;
  /** The name of a tag, where there is one. */
  readonly tag: string | undefined;
  readonly platform: Platform | undefined;
}

/** In the words of Go: linux, amd64; the variant says which of the processors of one architecture: v7 of arm. */
export interface Platform { readonly os: string; readonly architecture: string; readonly variant?: string | undefined }

/** @throws BAD_FIELD; FEATURE_UNSUPPORTED for other digests than SHA-256 */
export function parseDescriptor(record: JsonRecord): Descriptor {
  const digest = record.required('digest').text();
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) {
    const known = /^[a-z0-9+._-]+:[0-9a-f]+$/.test(digest) && !digest.startsWith('sha256:');
    throw new ThawfsError(known ? 'FEATURE_UNSUPPORTED' : 'BAD_FIELD', `${record.label}: digest "${digest.slice(0, 100)}" is not sha256 in hex`, { detail: { record: record.label, field: 'digest' } });
  }
  const platform = record.field('platform');
  return {
    digest, size: record.required('size').number(),
    mediaType: record.field('mediaType')?.text() ?? '',
    tag: record.field('annotations')?.field('org.opencontainers.image.ref.name')?.text(),
    platform: platform === undefined ? undefined : {
      os: platform.required('os').text(), architecture: platform.required('architecture').text(), variant: platform.field('variant')?.text(),
    },
  };
}
