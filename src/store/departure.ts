import { setMaxListeners } from 'node:events';

/** Lets somebody stop waiting for shared work when a signal aborts, while the work goes on for others. One listener, however much is waited for. */
export class Departure {
  private readonly aborted: Promise<never>;
  private stop = (): void => undefined;

  /** @param waits how often {@link Departure.orAbort} will be called */
  constructor(private readonly signal: AbortSignal, private waits: number) {
    this.aborted = new Promise<never>((_, reject) => {
      this.stop = () => { reject(signal.reason as Error); };
      if (signal.aborted) this.stop();
    });
    ignoreFailure(this.aborted);
    setMaxListeners(0, signal); // many reads may hang on one signal, that is no leak
    signal.addEventListener('abort', this.stop, { once: true });
  }

  /** @returns what `work` gives, but rejects with the signal's reason as soon as it aborts */
  async orAbort<T>(work: Promise<T>): Promise<T> {
    try {
      return await Promise.race([this.aborted, work]);
    } finally {
      if (--this.waits === 0) this.signal.removeEventListener('abort', this.stop);
    }
  }
}

/** Work that nobody may wait for any more must not end the process when it fails. */
export function ignoreFailure(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
