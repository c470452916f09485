/**
 * Memory that serves again and again: thousands of arrays a second keep the garbage collector busy. It is asked for whole; the
 * system provides what is used of it.
 */
export class Room {
  private memory: Uint8Array | undefined;

  /** @param size bytes; for more there is memory that nobody keeps */
  constructor(private readonly size: number) {}

  /** @returns `length` bytes that hold anything, good until the next call */
  of(length: number): Uint8Array {
    if (length > this.size) return Buffer.allocUnsafeSlow(length);
    this.memory ??= Buffer.allocUnsafeSlow(this.size);
    return this.memory.subarray(0, length);
  }
}
