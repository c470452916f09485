/** What went wrong between a mount and its origins, counted by code: for `status`, which must be able to say why reads wait or fail. */
import { ThawfsError, type ErrorCode } from '../errors.js';

export class OriginFailures {
  private readonly counts: Partial<Record<ErrorCode, number>> = {};
  private last: { readonly at: number; readonly message: string } | undefined;

  /** Attempts count, not reads: most are made again, and succeed. */
  count({ code, message }: ThawfsError): void {
    this.counts[code] = (this.counts[code] ?? 0) + 1;
    this.last = { at: Date.now(), message };
  }

  /** @param damaged chunks that arrived, and were not what they should be */
  status(damaged: number): Readonly<Record<string, unknown>> {
    const originFailures = { ...this.counts, ...(damaged === 0 ? {} : { CHUNK_DIGEST_MISMATCH: damaged }) };
    return { originFailures, ...(this.last === undefined ? {} : { lastOriginFailure: this.last }) };
  }

  /**
   * Gives up after a time, whatever the origin does: one that sends a byte now and then is not waited for either.
   *
   * @param work gets a signal that aborts when the time is up or `signal` does
   * @param patience milliseconds
   * @throws TIMEOUT; what `work` throws; the reason of `signal`
   */
  async within<T>(patience: number, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const limit = AbortSignal.timeout(patience);
    try {
      return await work(AbortSignal.any([signal, limit]));
    } catch (error) {
      if (!limit.aborted || error instanceof ThawfsError) throw error;
      const failure = new ThawfsError('TIMEOUT', `no origin gave the bytes within ${patience} ms`, { detail: { patience }, suggestion: 'Check the origin; mount with a longer --read-timeout.' });
      this.count(failure);
      throw failure;
    }
  }
}
