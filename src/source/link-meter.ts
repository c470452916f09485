/** What a link can do, told by the requests that go over it: how long an answer takes, and how many bytes come in a time. */
import { KiB, MiB } from '../units.js';
import { RecentRate } from './recent-rate.js';

/** Is told what requests experience. */
export interface LinkObserver {
  /** An answer began this many milliseconds after its request was sent. */
  answered(milliseconds: number): void;
  /** Bytes of a body came. */
  arrived(bytes: number): void;
}

/** Taken until something is known: the round trip in milliseconds, the rate in bytes per millisecond (16 Mbit/s). */
const ASSUMED_ROUND_TRIP = 50;
const ASSUMED_RATE = 2000;
/**
 * The shortest answer is the round trip: the others waited behind other bytes, or for a connection. It is forgotten by so much in a
 * millisecond (a tenth in a minute): were it forgotten faster, the bytes that we ourselves have under way would pass for a longer link.
 */
const FORGETTING = 0.1 / 60_000;
/** The best of the last windows is the rate: in the others there was less to fetch. A window lasts a round trip, and no less than this. */
const WINDOWS_KEPT = 30;
const SHORTEST_WINDOW = 100;
const LEAST_CAPACITY = 128 * KiB;
const MOST_CAPACITY = 16 * MiB;

export class LinkMeter implements LinkObserver {
  private shortest: { readonly time: number; readonly milliseconds: number } | undefined;
  private readonly windows: number[] = [];
  /** What it carries now; {@link rate} is what it can. */
  readonly recent: RecentRate;
  private window: { readonly start: number; bytes: number } | undefined;

  /** @param now milliseconds of a steady clock; tests give their own */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.recent = new RecentRate(now);
  }

  answered(milliseconds: number): void {
    if (milliseconds <= this.roundTrip || this.shortest === undefined) this.shortest = { time: this.now(), milliseconds };
  }

  arrived(bytes: number): void {
    this.recent.add(bytes);
    const now = this.now();
    if (this.window === undefined) {
      this.window = { start: now, bytes: 0 }; // these bytes came before it
      return;
    }
    this.window.bytes += bytes;
    const length = now - this.window.start;
    if (length < Math.max(SHORTEST_WINDOW, this.roundTrip)) return;
    this.windows.push(this.window.bytes / length);
    if (this.windows.length > WINDOWS_KEPT) this.windows.shift();
    this.window = { start: now, bytes: 0 };
  }

  /** Milliseconds. */
  get roundTrip(): number {
    return this.shortest === undefined ? ASSUMED_ROUND_TRIP : this.shortest.milliseconds * (1 + FORGETTING * (this.now() - this.shortest.time));
  }

  /** Bytes per millisecond. */
  get rate(): number {
    return this.windows.length === 0 ? ASSUMED_RATE : Math.max(...this.windows);
  }

  /** Bytes that must be under way so that the link is never idle: rate times round trip, within reason. */
  get capacity(): number {
    return Math.min(MOST_CAPACITY, Math.max(LEAST_CAPACITY, this.rate * this.roundTrip));
  }
}
