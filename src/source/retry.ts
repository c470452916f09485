/** Trying again: exponential back-off with jitter, for failures that whoever raised them called retryable. */
import { ThawfsError } from '../errors.js';
import { pause } from './pause.js';
import type { RangeSource, ReadOptions } from './range-source.js';

export interface RetryPolicy {
  /** Tries in all, the first one included. Default 5. */
  readonly attempts: number;
  /** Wait before the second try, milliseconds; doubled for each further one. Default 200. */
  readonly firstDelay: number;
  /** No wait is longer, milliseconds; a server that asks for more (Retry-After) is not waited for at all. Default 20,000. */
  readonly longestDelay: number;
  /** Whether what took too long is tried again. Default true; false for who had better ask elsewhere while there is time. */
  readonly retryTimeouts: boolean;
  /** 0 <= value < 1, spreads the waits of many readers. Default Math.random; tests give their own. */
  readonly random: () => number;
  /** Waits; rejects with the signal's reason when it aborts. Tests give their own. */
  readonly sleep: (milliseconds: number, signal: AbortSignal | undefined) => Promise<void>;
}

export const defaultRetryPolicy: RetryPolicy = {
  attempts: 5, firstDelay: 200, longestDelay: 20_000, retryTimeouts: true, random: Math.random,
  sleep: pause,
};

/**
 * @param work is run until it succeeds, fails for good, or has failed `policy.attempts` times
 * @throws the last error with the number of tries in its message and detail; the signal's reason as soon as it aborts
 */
export async function retry<T>(work: () => Promise<T>, policy: RetryPolicy, signal?: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ThawfsError) || error.detail.retryable !== true || (error.code === 'TIMEOUT' && !policy.retryTimeouts)) throw error;
      const wait = waitAfter(error, tries, policy);
      if (tries >= policy.attempts || wait > policy.longestDelay) throw counted(error, tries);
      await policy.sleep(wait, signal);
    }
  }
}

/** Half of each wait is fixed, half is random: readers that failed together do not come back together. */
function waitAfter(error: ThawfsError, tries: number, { firstDelay, longestDelay, random }: RetryPolicy): number {
  const backOff = Math.min(longestDelay, firstDelay * 2 ** (tries - 1)) * (0.5 + random() / 2);
  const { retryAfter } = error.detail;
  return typeof retryAfter === 'number' ? Math.max(backOff, retryAfter) : backOff;
}

function counted(error: ThawfsError, tries: number): ThawfsError {
  const [suggestion] = error.suggestions;
  return new ThawfsError(error.code, `${error.message} (tried ${tries} ${tries === 1 ? 'time' : 'times'})`, {
    detail: { ...error.detail, tries }, cause: error, ...(suggestion === undefined ? {} : { suggestion }),
  });
}

/** A source whose reads are tried again. */
export class RetryingSource implements RangeSource {
  readonly location: string;
  readonly size: number;
  readonly identity: string | undefined;

  constructor(private readonly inner: RangeSource, private readonly policy: RetryPolicy) {
    ({ location: this.location, size: this.size, identity: this.identity } = inner);
  }

  get state(): RangeSource['state'] { return this.inner.state; }

  read(offset: number, length: number, options: ReadOptions = {}): Promise<Uint8Array> {
    return retry(() => this.inner.read(offset, length, options), this.policy, options.signal);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
