/** Bits, the first lowest in its byte, as deflate has them. */
export class BitSink {
  private bytes: Uint8Array;
  private used = 0;
  private held = 0;
  private heldBits = 0;

  /** @param expected bytes; more are possible */
  constructor(expected: number) {
    this.bytes = new Uint8Array(expected + 64);
  }

  /** @param count at most 16 */
  add(value: number, count: number): void {
    this.held |= value << this.heldBits;
    this.heldBits += count;
    if (this.heldBits < 16) return;
    this.reserve(2);
    this.bytes[this.used++] = this.held & 255;
    this.bytes[this.used++] = this.held >>> 8 & 255;
    this.held >>>= 16;
    this.heldBits -= 16;
  }

  /** Fills the last byte up with zeros. */
  align(): void {
    this.reserve(2);
    for (; this.heldBits > 0; this.heldBits -= 8, this.held >>>= 8) this.bytes[this.used++] = this.held & 255;
    [this.held, this.heldBits] = [0, 0];
  }

  /** Whole bytes, after {@link BitSink.align}. */
  addBytes(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.used);
    this.used += bytes.length;
  }

  finish(): Uint8Array {
    this.align();
    return this.bytes.subarray(0, this.used);
  }

  private reserve(count: number): void {
    if (this.used + count <= this.bytes.length) return;
    const larger = new Uint8Array(this.bytes.length * 2 + count);
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }
}
