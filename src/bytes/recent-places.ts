/** Things by number in a fixed number of places, whose memory is used again: while reading goes on nothing is allocated. */

export class RecentPlaces<Memory> {
  /** Least recently used first. */
  private readonly filled = new Map<number, Memory>();
  private spare: Memory | undefined;

  /**
   * @param places things kept at most; 0 keeps nothing
   * @param make memory for one more
   */
  constructor(private readonly places: number, private readonly make: () => Memory) {}

  find(number: number): Memory | undefined {
    const memory = this.filled.get(number);
    if (memory === undefined) return undefined;
    this.filled.delete(number);
    this.filled.set(number, memory);
    return memory;
  }

  /**
   * Puts a thing into the place of the one that was used longest ago.
   *
   * @param fill says whether it has made the thing; when not, or when it throws, nothing is kept under the number
   * @returns undefined when `fill` returns false
   */
  load(number: number, fill: (memory: Memory) => boolean): Memory | undefined {
    this.forget(number);
    const memory = this.room();
    if (!fill(memory)) return undefined;
    if (this.places > 0) {
      this.spare = undefined;
      this.filled.set(number, memory);
    }
    return memory;
  }

  private forget(number: number): void {
    const memory = this.filled.get(number);
    if (memory === undefined) return;
    this.filled.delete(number);
    this.spare = memory;
  }

  /** The spare place, a new one, or the oldest; it is spare until it is filled. */
  private room(): Memory {
    if (this.spare === undefined) {
      const oldest = this.filled.size < this.places ? undefined : this.filled.keys().next().value;
      if (oldest === undefined) this.spare = this.make();
      else this.forget(oldest);
    }
    return this.spare!;
  }
}
