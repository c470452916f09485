import { ThawfsError } from '../errors.js';
import type { RangeSource } from './range-source.js';

/** A source over bytes that are here already. Reads are copies, so nobody writes into another's bytes. */
export class MemorySource implements RangeSource {
  readonly identity = undefined;

  /** @param location what messages call it */
  constructor(private readonly bytes: Uint8Array, readonly location = 'memory') {}

  get size(): number {
    return this.bytes.length;
  }

  readSync(offset: number, length: number): Uint8Array {
    requireInside(this, offset, length);
    return new Uint8Array(this.bytes.subarray(offset, offset + length)); // not slice(): a Buffer's shares memory
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve) => { resolve(this.readSync(offset, length)); });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws TRUNCATED when the range leaves the source: something that points into it does not belong to it */
export function requireInside(source: Pick<RangeSource, 'location' | 'size'>, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= source.size) return;
  throw new ThawfsError('TRUNCATED', `${source.location}: has ${source.size} bytes, bytes ${offset}-${offset + length - 1} were wanted`, {
    detail: { location: source.location, size: source.size, offset, length },
    suggestion: 'Copy or download the file again: it was probably cut short.',
  });
}
