/** Several origins of the same chunks: what one cannot give is asked of the next. */
import type { ChunkRef, ChunkStore } from './chunk-store.js';
import { hasCode } from '../errors.js';
import { ignoreFailure } from './departure.js';

export class FailoverStore<Landed = Uint8Array> implements ChunkStore<Landed> {
  /** Which store is asked first: the last one that answered. */
  private preferred = 0;

  /** @param stores at least one, the best first */
  constructor(private readonly stores: readonly ChunkStore<Landed>[]) {}

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed>[] {
    const first = this.preferred;
    const answers = this.stores[first]!.get(chunks, signal);
    answers.forEach(ignoreFailure);
    return answers.map((answer, i) => answer.catch((error: unknown) => this.others(chunks[i]!, first, error, signal)));
  }

  private async others(chunk: ChunkRef, failed: number, error: unknown, signal: AbortSignal | undefined): Promise<Landed> {
    for (let step = 1; step < this.stores.length; step++) {
      signal?.throwIfAborted();
      const next = (failed + step) % this.stores.length;
      try {
        const bytes = await this.stores[next]!.get([chunk], signal)[0]!;
        // One bad chunk is no reason to leave an origin; one that does not answer is.
        if (!hasCode(error, 'CHUNK_DIGEST_MISMATCH')) this.preferred = next;
        return bytes;
      } catch {
        // What the first origin said is what people are told.
      }
    }
    throw error;
  }
}
