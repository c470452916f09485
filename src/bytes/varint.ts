/** Growing bytes, and numbers in them as LEB128: seven bits a byte, low ones first, the eighth says that more follow. */
import { ThawfsError } from '../errors.js';

export class ByteSink {
  private bytes = new Uint8Array(1024);
  private used = 0;

  get length(): number {
    return this.used;
  }

  /** @param value a whole number, 0..2^53 - 1 */
  addNumber(value: number): void {
    this.reserve(8);
    let left = value;
    while (left > 127) {
      this.bytes[this.used++] = left & 127 | 128;
      left = left < 0x8000_0000 ? left >>> 7 : Math.floor(left / 128);
    }
    this.bytes[this.used++] = left;
  }

  /** Zigzag: small numbers of either sign are short. */
  addSigned(value: number): void {
    this.addNumber(value < 0 ? -2 * value - 1 : 2 * value);
  }

  add(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** @returns a view, good until the next addition */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  clear(): void {
    this.used = 0;
  }

  private reserve(count: number): void {
    if (this.used + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.used + count));
    larger.set(this.view());
    this.bytes = larger;
  }
}

export class NumberReader {
  private at = 0;

  /** @param what names the bytes in errors */
  constructor(private readonly bytes: Uint8Array, private readonly what: string) {}

  get done(): boolean {
    return this.at === this.bytes.length;
  }

  /** Bytes in all, and read so far. */
  get size(): number {
    return this.bytes.length;
  }

  get position(): number {
    return this.at;
  }

  /** @throws BAD_FIELD when the bytes end, or the number is above 2^53 - 1 */
  next(): number {
    const first = this.bytes[this.at]!;
    if (first < 128) { // most are
      this.at++;
      return first;
    }
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || scale > 2 ** 49) throw new ThawfsError('BAD_FIELD', `${this.what}: no number where one is needed`, { detail: { record: this.what } });
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new ThawfsError('BAD_FIELD', `${this.what}: a number is too large`, { detail: { record: this.what } });
    return value;
  }

  nextSigned(): number {
    const value = this.next();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
