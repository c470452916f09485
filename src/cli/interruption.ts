/** Signals of the operating system as one AbortSignal: what runs is aborted, cleans up, and the command ends with 128 + signal. */
import { constants } from 'node:os';
import { ThawfsError } from '../errors.js';

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type Signal = typeof signals[number];

/** Cleaning up is a matter of milliseconds; what takes longer hangs, and the next run removes what is left. */
const CLEAN_UP_AT_MOST_MS = 10_000;

export class Interruption {
  private readonly controller = new AbortController();

  get signal(): AbortSignal { return this.controller.signal; }

  listen(): void {
    for (const signal of signals) process.on(signal, this.interrupt);
  }

  stopListening(): void {
    for (const signal of signals) process.off(signal, this.interrupt);
  }

  /** The second signal does not wait for the clean-up. */
  private readonly interrupt = (signal: Signal): void => {
    const leave = (): void => process.exit(128 + constants.signals[signal]);
    if (this.signal.aborted) leave();
    this.controller.abort(new ThawfsError('INTERRUPTED', `interrupted by ${signal}`, {
      detail: { signal }, suggestion: 'Run it again: pull, patch and fill go on where they were, everything else begins anew.',
    }));
    setTimeout(leave, CLEAN_UP_AT_MOST_MS).unref();
  };
}
