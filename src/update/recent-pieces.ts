/** Pieces of equal length by number, as many as fit: the one that was used longest ago gives its memory to the next. */
export class RecentPieces {
  private readonly pieces = new Map<number, Uint8Array>(); // a Map keeps insertion order: the first key is the oldest

  /** @param size bytes of a piece. @param count pieces kept */
  constructor(private readonly size: number, private readonly count: number) {}

  find(number: number): Uint8Array | undefined {
    const piece = this.pieces.get(number);
    if (piece === undefined) return undefined;
    this.pieces.delete(number);
    this.pieces.set(number, piece);
    return piece;
  }

  /** @param fill puts the piece into memory; when it throws, nothing is remembered. @returns the piece */
  make(number: number, fill: (memory: Uint8Array) => void): Uint8Array {
    const former = this.pieces.size < this.count || this.pieces.has(number) ? number : this.pieces.keys().next().value!;
    const memory = this.pieces.get(former) ?? Buffer.allocUnsafeSlow(this.size);
    this.pieces.delete(former);
    fill(memory);
    this.pieces.set(number, memory);
    return memory;
  }
}
