/** A store that keeps in memory what it was asked for. */
import { MiB } from '../units.js';
import { ChunkMemory } from './chunk-memory.js';
import type { ChunkRef, ChunkStore } from './chunk-store.js';

/** Bytes of chunks kept unless somebody says otherwise. */
export const DEFAULT_CACHE_SIZE = 64 * MiB;

export class MemoryStore implements ChunkStore {
  private readonly memory: ChunkMemory;

  /** @param budget bytes; 0 keeps nothing */
  constructor(private readonly inner: ChunkStore, budget = DEFAULT_CACHE_SIZE) {
    this.memory = new ChunkMemory(budget);
  }

  /** Bytes kept now: never more than the budget. */
  get heldSize(): number {
    return this.memory.heldSize;
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
    return this.memory.find(number);
  }

  /** @param bytes verified; shared from now on */
  keep(number: number, bytes: Uint8Array): void {
    this.memory.keep(number, bytes);
  }
}
