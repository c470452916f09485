/** All places of an image together: chunks and bytes from the first that can give them. */
import type { Head } from '../chunk/head.js';
import { ThawfsError } from '../errors.js';
import { amongSeveral, type SourceOptions } from '../source/open-source.js';
import type { KnownSource, RangeSource } from '../source/range-source.js';
import type { ChunkStore } from '../store/chunk-store.js';
import { FailoverStore } from '../store/failover-store.js';
import { RemoteStore, type DecodeChunk } from '../store/remote-store.js';
import { MAX_REQUESTS } from './fetch-scheduler.js';
import { Origin } from './origin.js';
import { OriginStore } from './origin-store.js';

/** A location and its source, of which the head was read and trusted. */
export interface OpenedOrigin<Source = RangeSource> {
  readonly at: string;
  readonly source: Source;
}

export class Origins<Landed> {
  readonly chunks: ChunkStore<Landed>;
  private readonly origins: readonly Origin[];

  /**
   * @param locations best first
   * @param opened one of them that is open already, closed with these; or was in another process
   */
  constructor(locations: readonly string[], head: Head, options: SourceOptions, decode: DecodeChunk<Landed>, onRefetch: () => void, opened?: OpenedOrigin<RangeSource | KnownSource>) {
    this.origins = locations.map((location) => new Origin(location, head, { connections: MAX_REQUESTS, ...amongSeveral(locations, options) }, location === opened?.at ? opened.source : undefined));
    // Runs are planned by the scheduler, and what nobody wants is not fetched.
    this.chunks = new FailoverStore(this.origins.map((origin) => new OriginStore(origin, (source) => new RemoteStore(source, decode, onRefetch, { parallel: MAX_REQUESTS, gapSize: 0 }))));
  }

  /** Connects to the first: whoever wants something soon need not wait for that. A failure shows when it is used. */
  connect(): void {
    this.origins[0]?.source().catch(() => undefined);
  }

  /**
   * @param judge takes the bytes, or throws: then another origin is asked
   * @throws what went wrong at the first origin
   */
  async read<T>(offset: number, length: number, judge: (bytes: Uint8Array) => T): Promise<T> {
    let failure: unknown;
    for (const origin of this.origins) {
      try {
        return judge(await (await origin.source()).read(offset, length));
      } catch (error) {
        origin.failed(error);
        failure ??= error;
      }
    }
    throw failure as Error;
  }

  async close(): Promise<void> {
    await Promise.all(this.origins.map((origin) => origin.close()));
  }
}

/** Origins that may not be asked. */
export const noOrigins: Pick<Origins<never>, 'chunks' | 'close' | 'connect' | 'read'> = {
  chunks: { get: (chunks) => chunks.map(() => Promise.reject(offlineError())) },
  close: () => Promise.resolve(),
  connect: () => undefined,
  read: () => Promise.reject(offlineError()),
};

function offlineError(): ThawfsError {
  return new ThawfsError('CHUNK_MISSING', 'not on this machine, and origins may not be asked', { suggestion: 'Mount without --offline, or run thawfs fill while online.' });
}
