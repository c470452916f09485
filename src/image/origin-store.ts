/** Chunks from an origin that is opened when the first of them is asked for. */
import type { RangeSource } from '../source/range-source.js';
import type { ChunkRef, ChunkStore } from '../store/chunk-store.js';
import type { Origin } from './origin.js';

export class OriginStore<Landed = Uint8Array> implements ChunkStore<Landed> {
  private opened: { readonly source: RangeSource; readonly store: ChunkStore<Landed> } | undefined;

  constructor(private readonly origin: Origin, private readonly over: (source: RangeSource) => ChunkStore<Landed>) {}

  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed>[] {
    const answers = this.store().then((store) => store.get(chunks, signal));
    return chunks.map(async (_, i) => {
      try {
        return await (await answers)[i]!;
      } catch (error) {
        this.origin.failed(error);
        throw error;
      }
    });
  }

  private async store(): Promise<ChunkStore<Landed>> {
    const source = await this.origin.source();
    if (this.opened?.source !== source) this.opened = { source, store: this.over(source) };
    return this.opened.store;
  }
}
