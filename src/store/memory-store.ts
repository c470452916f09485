/** Chunks kept in memory, the least recently used forgotten first. */
import { MiB } from '../units.js';
import type { ChunkRef, ChunkStore } from './chunk-store.js';

/** Bytes of chunks kept unless somebody says otherwise. */
export const DEFAULT_CACHE_SIZE = 64 * MiB;

export class MemoryStore implements ChunkStore {
  /** By chunk number, least recently used first. */
  private readonly chunks = new Map<number, Uint8Array>();
  private held = 0;

  /** @param budget bytes; 0 keeps nothing */
  constructor(private readonly inner: ChunkStore, private readonly budget = DEFAULT_CACHE_SIZE) {}

  /** Bytes kept now: never more than the budget. */
  get heldSize(): number {
    return this.held;
  }

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Uint8Array>[] {
    const found = chunks.map(({ number }) => this.find(number));
    const missing = chunks.filter((_, i) => found[i] === undefined);
    const fetched = this.inner.get(missing, signal).map(async (bytes, i) => {
      this.keep(missing[i]!.number, await bytes);
      return bytes;
    });
    let next = 0;
    return found.map((bytes) => bytes === undefined ? fetched[next++]! : Promise.resolve(bytes));
  }

  /** @returns a chunk that is here; nothing is fetched */
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
