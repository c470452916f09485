/** A fixed number of places at a counter; who comes later waits in order. */
export class Slots {
  private readonly queue: (() => void)[] = [];

  /** @param free places */
  constructor(private free: number) {}

  /** Runs `work` when a place is free. @throws the signal's reason when it aborts before that */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => { this.queue.push(resolve); });
    try {
      signal?.throwIfAborted();
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}
