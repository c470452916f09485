/** Chunks in memory by number, within a budget of bytes; the least recently used are forgotten first. */
export class ChunkMemory {
  /** Least recently used first. */
  private readonly chunks = new Map<number, Uint8Array>();
  private held = 0;

  /** @param budget bytes; 0 keeps nothing */
  constructor(private readonly budget: number) {}

  /** Bytes kept now: never more than the budget. */
  get heldSize(): number {
    return this.held;
  }

  /** @returns a chunk that is here */
  find(number: number): Uint8Array | undefined {
    const bytes = this.chunks.get(number);
    if (bytes === undefined) return undefined;
    this.chunks.delete(number);
    this.chunks.set(number, bytes);
    return bytes;
  }

  /** @param bytes verified; shared from now on */
  keep(number: number, bytes: Uint8Array): void {
    const former = this.chunks.get(number);
    if (former !== undefined) this.forget(number, former);
    this.chunks.set(number, bytes);
    this.held += bytes.length;
    for (const [oldest, old] of this.chunks) {
      if (this.held <= this.budget) return;
      this.forget(oldest, old);
    }
  }

  private forget(number: number, bytes: Uint8Array): void {
    this.chunks.delete(number);
    this.held -= bytes.length;
  }
}
