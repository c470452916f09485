/** Several readers that miss the same chunk share one fetch. */
import type { ChunkRef, ChunkStore } from './chunk-store.js';
import { Departure } from './departure.js';

/** Chunks asked for together. The fetch is aborted when nobody waits for any of them any more. */
interface Batch {
  readonly controller: AbortController;
  waiting: number;
}

interface Flight {
  readonly bytes: Promise<Uint8Array>;
  readonly batch: Batch;
}

export class SingleFlightStore implements ChunkStore {
  private readonly flights = new Map<number, Flight>();

  constructor(private readonly inner: ChunkStore) {}

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Uint8Array>[] {
    if (chunks.length === 0) return [];
    const fresh = chunks.filter(({ number }) => !this.flights.has(number));
    if (fresh.length > 0) this.launch(fresh);
    const departure = signal === undefined ? undefined : new Departure(signal, chunks.length);
    return chunks.map(({ number }) => this.join(number, departure));
  }

  private launch(chunks: readonly ChunkRef[]): void {
    const batch: Batch = { controller: new AbortController(), waiting: 0 };
    this.inner.get(chunks, batch.controller.signal).forEach((bytes, i) => {
      const { number } = chunks[i]!;
      const flight = { bytes, batch };
      this.flights.set(number, flight);
      // Also after a failure: the next reader tries anew. An aborted flight may already have been replaced.
      const land = (): void => { if (this.flights.get(number) === flight) this.flights.delete(number); };
      bytes.then(land, land);
    });
  }

  private async join(number: number, departure: Departure | undefined): Promise<Uint8Array> {
    const { bytes, batch } = this.flights.get(number)!;
    batch.waiting++;
    try {
      return await (departure === undefined ? bytes : departure.orAbort(bytes));
    } finally {
      batch.waiting--;
      if (batch.waiting === 0) this.abandon(batch);
    }
  }

  /** Harmless when everything has arrived. Who comes now must not join a flight that is being aborted. */
  private abandon(batch: Batch): void {
    for (const [number, flight] of this.flights) if (flight.batch === batch) this.flights.delete(number);
    batch.controller.abort();
  }
}
