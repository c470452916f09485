/** @returns what `work` gives, but rejects at once when the signal aborts; `work` goes on */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  if (signal.aborted) {
    ignoreFailure(work);
    throw signal.reason;
  }
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => { reject(signal.reason as Error); };
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** Work that nobody may wait for any more must not end the process when it fails. */
export function ignoreFailure(work: Promise<unknown>): void {
  work.catch(() => undefined);
}
