/** Gathers bytes that come in portions of any length into pieces of one length. */
export class PieceFiller {
  private memory: Uint8Array;
  private filled = 0;

  /**
   * @param size bytes of a piece
   * @param onFull is given a piece that is full, @returns memory for the next one: the same, when it needs the piece no longer
   */
  constructor(private readonly size: number, private readonly onFull: (piece: Uint8Array) => Uint8Array) {
    this.memory = new Uint8Array(size);
  }

  /** What waits for more: a view, good until more comes. */
  get waiting(): Uint8Array {
    return this.memory.subarray(0, this.filled);
  }

  /** @param bytes the next ones; copied */
  add(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.size - this.filled);
      this.memory.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled < this.size) continue;
      this.filled = 0; // first: whoever takes the piece may fail
      this.memory = this.onFull(this.memory);
    }
  }

  /** Forgets what waits: it was taken. */
  clear(): void {
    this.filled = 0;
  }
}
