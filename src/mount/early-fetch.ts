/**
 * Fetching by the front while the server of a mount is still loading: over the connection that brought the head, so what comes is here
 * sooner than the server could have it. That finds it in the cache which both share, and does not ask for what is under way.
 */
import { FirstChunks } from '../image/first-chunks.js';
import type { FetchCost } from '../image/lazy-statistics.js';
import { openHeadToFetch, type HeadToFetch } from '../image/trusted-head.js';
import { DiskStore } from '../store/disk-store.js';
import type { MountOptions } from './mount-options.js';
import type { ImagePlan } from './plan.js';

/** Milliseconds for the first chunks. */
const PATIENCE = 3000;

export class EarlyFetch {
  private readonly stopped = new AbortController();
  private store: DiskStore | undefined;
  private chunks: FirstChunks | undefined;
  private goingOn: Promise<void> | undefined;

  private constructor(readonly head: HeadToFetch, private readonly cache: string, private readonly options: MountOptions) {}

  /** Opens and trusts the head of an image. @throws as openTrustedHead */
  static async open({ locations, cache }: Pick<ImagePlan, 'locations' | 'cache'>, options: MountOptions): Promise<EarlyFetch> {
    const { trust, offline = false, signal, sourceOptions } = options;
    return new EarlyFetch(await openHeadToFetch(locations, { trust, cache, offline, sourceOptions: { ...sourceOptions, signal } }), cache, options);
  }

  /**
   * Keeps what a mount reads first; then goes on until {@link end}, where everything will be fetched anyway.
   *
   * @returns when the first chunks are here. What goes wrong the server will meet, and say
   * @throws the signal's reason
   */
  async begin(): Promise<void> {
    const { head: { bytes, opened }, options: { cacheSize, fill = true, fillRate = 0, profile, signal } } = this;
    if (opened === undefined || opened.source.readSync !== undefined) return;
    try {
      this.store = new DiskStore(this.cache, cacheSize);
      this.chunks = new FirstChunks(bytes, opened, this.store);
      await this.chunks.keepOpening({ signal: AbortSignal.any([AbortSignal.timeout(PATIENCE), ...(signal === undefined ? [] : [signal])]) });
      // A profile beside the image wants another part of it first, and only the server knows which.
      if (fill && fillRate === 0 && profile === undefined) this.goingOn = this.chunks.keepOn(this.stopped.signal).catch(() => undefined);
    } catch {
      signal?.throwIfAborted();
    }
  }

  /** Gives up what is under way, and the origin. @returns what all of it has cost */
  async end(): Promise<FetchCost> {
    this.stopped.abort();
    await this.goingOn;
    await this.head.opened?.source.close();
    this.store?.close();
    return { ...this.head.cost, fetched: this.chunks?.kept ?? 0 };
  }
}
