/** Decoded chunks of a lazy image by number, in a fixed number of places: while reading goes on nothing is allocated. */
import { DecodedChunk } from '../chunk/decoded-chunk.js';

export class DecodedChunks {
  /** Least recently used first. */
  private readonly chunks = new Map<number, DecodedChunk>();
  private spare: DecodedChunk | undefined;

  /**
   * @param places chunks kept at most; 0 keeps nothing
   * @param make memory for one more
   */
  constructor(private readonly places: number, private readonly make: () => DecodedChunk) {}

  find(number: number): DecodedChunk | undefined {
    const chunk = this.chunks.get(number);
    if (chunk === undefined) return undefined;
    this.chunks.delete(number);
    this.chunks.set(number, chunk);
    return chunk;
  }

  /**
   * Decodes a chunk into the place of the one that was used longest ago.
   *
   * @param decode must have verified what it returns true for
   * @returns undefined when `decode` returns false
   */
  load(number: number, decode: (chunk: DecodedChunk) => boolean): DecodedChunk | undefined {
    this.forget(number);
    const chunk = this.room();
    if (!decode(chunk)) return undefined;
    if (this.places > 0) {
      this.spare = undefined;
      this.chunks.set(number, chunk);
    }
    return chunk;
  }

  private forget(number: number): void {
    const chunk = this.chunks.get(number);
    if (chunk === undefined) return;
    this.chunks.delete(number);
    this.spare = chunk;
  }

  /** The spare place, a new one, or the oldest; it is spare until it is filled. */
  private room(): DecodedChunk {
    if (this.spare === undefined) {
      const oldest = this.chunks.size < this.places ? undefined : this.chunks.keys().next().value;
      if (oldest === undefined) this.spare = this.make();
      else this.forget(oldest);
    }
    return this.spare!;
  }
}
