/** Bytes per second over the last moments. Counted when bytes come and when somebody asks: nothing runs in between. */

/** How far back it looks, and how finely, milliseconds. */
const WINDOW = 3000;
const STEP = 250;
/** A burst counts as if it had taken this long, milliseconds: what comes in an instant is no rate. */
const LEAST_TIME = 1000;

export class RecentRate {
  /** Oldest first; at most one for each {@link STEP} of the window. */
  private readonly steps: { readonly start: number; bytes: number }[] = [];

  /** @param now milliseconds of a steady clock; tests give their own */
  constructor(private readonly now: () => number = () => performance.now()) {}

  add(bytes: number): void {
    this.forget();
    const now = this.now();
    const last = this.steps.at(-1);
    if (last !== undefined && now - last.start < STEP) last.bytes += bytes;
    else this.steps.push({ start: now, bytes });
  }

  get bytesPerSecond(): number {
    this.forget();
    const first = this.steps[0];
    if (first === undefined) return 0;
    const bytes = this.steps.reduce((sum, step) => sum + step.bytes, 0);
    return bytes / Math.max(LEAST_TIME, this.now() - first.start) * 1000;
  }

  private forget(): void {
    const oldest = this.now() - WINDOW;
    while (this.steps[0] !== undefined && this.steps[0].start < oldest) this.steps.shift();
  }
}
