/**
 * Who gets the link. Three kinds of fetches share it:
 *
 *   demand  somebody waits: sent at once, neighbours that are missed in the same moment in one request
 *   soon    read-ahead and profile: sent in the order given, while there is room on the link
 *   fill    the rest: sent when nothing else is wanted; while a program starts in small requests, little more than the link holds
 *
 * The link has room while fewer bytes are under way than it holds (rate times round trip, as measured): then it is never idle, and
 * a demand finds next to no queue before it. A program that starts wants a small part, one chunk after another, and what it waits for is the
 * time of each: the fill then takes what of the link lies idle between, with hardly a queue there, and little of this processor.
 * Once a good part was used somebody is reading everything, and a full link is what serves him best. A chunk is fetched once,
 * whoever wants it; one that is wanted more urgently than before is sent for at once.
 */
import type { LinkMeter } from '../source/link-meter.js';
import type { ChunkRef, ChunkStore } from '../store/chunk-store.js';
import { Departure, ignoreFailure } from '../store/departure.js';
import { Promised } from '../store/promised.js';
import { KiB, MiB } from '../units.js';

/** Requests at a time for what nobody waits for, where somebody may read; and in all, so that demands never queue for a connection behind them. */
const BACKGROUND_REQUESTS = 8;
export const MAX_REQUESTS = 16;
/** Bytes under way, as a multiple of what the link holds, up to which something is sent that nobody waits for. */
const SHARE = 2;
/** While a program starts the fill is sent up to what the link holds, and as many milliseconds of it more: answers come later than by the shortest round trip, and a demand may find so long a queue. */
const START_QUEUE = 20;
/** When nobody reads: so many that no connection lies idle, for after that it begins slowly again. */
const CALM_SHARE = 4;
/** And at least as many, so that the link shows what it can: where nobody reads a start, and where nobody reads at all. */
const LEAST_UNDER_WAY = MiB;
const LEAST_UNATTENDED = 4 * MiB;
/** Bytes per millisecond (100 Mbit/s) that are hoped for before a program has begun to read: what a short link does not hold would be a queue before its first demands. */
const HOPED_RATE = 12_500;
/** And no more bytes than these under way until the link has shown what it can. */
const MOST_HOPED = 2 * MiB;
/** Chunks that readers have used, as a share of the image, from which on they no longer count as starting. */
const START_SHARE = 0.03;
/** Readers are at work until none has waited for this long, milliseconds; and for some time after the start whether they wait or not. */
const QUIET_TIME = 1000;
const START_TIME = 3000;
/** Bytes of a background request: so many that all connections have their part, for each begins slowly; and within reason. */
const LEAST_STEP = 96 * KiB;
const MOST_STEP = 2 * MiB;
/** When nobody has waited for this long, milliseconds, a request may be larger, as many milliseconds of the link: each costs the processor something. */
const CALM_TIME = 5000;
const CALM_STEP = 80;
/** While a program starts a background request is no longer than this, milliseconds of the link: so long it may hold up a demand. */
const START_STEP = 8;

/** A chunk for whoever waited for it; undefined when nobody did: then it is on the disk. */
export type Landed = Uint8Array | undefined;

interface Flight extends Promised<Landed> {
  readonly chunk: ChunkRef;
  sent: boolean;
  /** Somebody waits for it. */
  awaited: boolean;
}

export class FetchScheduler implements ChunkStore<Landed> {
  private readonly flights = new Map<number, Flight>();
  /** Demands of this moment; sent when all messages of the moment are read. */
  private urgent: Flight[] = [];
  /** In the order in which they are wanted; those that were sent meanwhile are passed over. */
  private readonly later: Flight[] = [];
  private laterStart = 0;
  private rooms: Promised<void>[] = [];
  private bytesUnderWay = 0;
  private requestsUnderWay = 0;
  private fills = 0;
  private demands = 0;
  private used = 0;
  private lastDemand = -Infinity;
  private readonly now: () => number;
  private readonly unattended: boolean;
  /** Where nobody will wait every connection may be used: each begins slowly, all together twice as fast as half of them. */
  private readonly requests: number;
  private readonly begun: number;

  /**
   * @param inner where chunks come from; asked for each run of neighbours by itself
   * @param options.unattended nobody reads: no program will start
   * @param options.now milliseconds of a steady clock; tests give their own
   */
  constructor(
    private readonly inner: ChunkStore<Landed>, readonly link: LinkMeter, private readonly chunkCount: number,
    { unattended = false, now = () => performance.now() }: { readonly unattended?: boolean; readonly now?: () => number } = {},
  ) {
    this.now = now;
    this.unattended = unattended;
    this.requests = unattended ? MAX_REQUESTS : BACKGROUND_REQUESTS;
    this.begun = unattended ? -Infinity : now();
  }

  /**
   * Frame bytes of a background request that suits the link. The first of several is the smallest: were they equal, all would end at the same
   * time, and the link lie idle until their successors are answered, again and again.
   */
  get stepSize(): number {
    const { rate } = this.link;
    if (this.isHeldUp) return Math.min(MOST_STEP, Math.max(LEAST_STEP, rate * START_STEP));
    const full = Math.max(this.most / this.requests, this.isQuiet(CALM_TIME) ? rate * CALM_STEP : 0);
    const place = Math.min(this.requests, this.requestsUnderWay + 1) / this.requests;
    return Math.max(LEAST_STEP, Math.min(MOST_STEP, full) * place);
  }

  /** Whether a program is starting: somebody waits, or did a moment ago, for a small part of the image; or will, in a mount that is young. */
  private get isStarting(): boolean {
    return (!this.isQuiet(QUIET_TIME) || this.now() - this.begun < START_TIME) && this.used < START_SHARE * this.chunkCount;
  }

  /** Whether a program is starting that has begun to read: until then the link may show what it can. */
  private get isHeldUp(): boolean {
    return this.isStarting && !this.isQuiet(QUIET_TIME);
  }

  /** Whether nobody waits, or has for so many milliseconds. */
  private isQuiet(time: number): boolean {
    return this.demands === 0 && this.now() - this.lastDemand > time;
  }

  /** A reader used a chunk, fetched for him or read ahead of him. */
  touch(): void {
    this.used++;
  }

  /** Demands. As ChunkStore says; aborting ends the waiting, not the fetch. */
  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Landed>[] {
    if (chunks.length === 0) return [];
    const flights = chunks.map((chunk) => this.flightOf(chunk));
    for (const flight of flights) {
      flight.awaited = true;
      if (!flight.sent) this.rush(flight);
    }
    this.demands++;
    this.lastDemand = this.now();
    const departure = signal === undefined ? undefined : new Departure(signal, chunks.length);
    const answers = flights.map(({ promise }) => departure === undefined ? promise : departure.orAbort(promise));
    void Promise.allSettled(answers).then(() => {
      this.demands--;
      this.lastDemand = this.now();
    });
    return answers;
  }

  /** Whether somebody waits for a chunk. */
  isAwaited(chunk: number): boolean {
    return this.flights.get(chunk)?.awaited === true;
  }

  /** Chunks that will be wanted, in this order; nobody waits for them yet. */
  hasten(chunks: readonly ChunkRef[]): void {
    for (const chunk of chunks) if (!this.flights.has(chunk.number)) this.later.push(this.flightOf(chunk));
    this.pump();
  }

  /** Sends for chunks now: for whoever has waited until there was {@link room}. @param chunks ascending */
  fill(chunks: readonly ChunkRef[]): Promise<Landed>[] {
    const flights = chunks.map((chunk) => this.flightOf(chunk));
    for (const run of runsOf(flights.filter(({ sent }) => !sent))) this.send(run);
    const answers = flights.map(({ promise }) => promise);
    this.fills++;
    void Promise.allSettled(answers).then(() => {
      this.fills--;
      this.pump();
    });
    return answers;
  }

  /** @returns when the link has room for what nobody has asked for; callers are let in one by one */
  async room(signal?: AbortSignal): Promise<void> {
    const room = new Promised<void>();
    this.rooms.push(room);
    // Also when nothing arrives any more: readers fall quiet by the clock.
    const timer = setInterval(() => { this.pump(); }, QUIET_TIME / 4);
    try {
      this.pump();
      await (signal === undefined ? room.promise : new Departure(signal, 1).orAbort(room.promise));
    } finally {
      clearInterval(timer);
      this.rooms = this.rooms.filter((each) => each !== room);
    }
  }

  private flightOf(chunk: ChunkRef): Flight {
    const known = this.flights.get(chunk.number);
    if (known !== undefined) return known;
    const flight = Object.assign(new Promised<Landed>(), { chunk, sent: false, awaited: false });
    ignoreFailure(flight.promise);
    this.flights.set(chunk.number, flight);
    return flight;
  }

  private rush(flight: Flight): void {
    if (this.urgent.length === 0) setImmediate(() => { this.sendUrgent(); });
    if (this.urgent.includes(flight)) return;
    this.urgent.push(flight);
  }

  private sendUrgent(): void {
    const flights = this.urgent.filter(({ sent }) => !sent).sort((a, b) => a.chunk.number - b.chunk.number);
    this.urgent = [];
    for (const run of runsOf(flights)) this.send(run);
  }

  /** Sends what there is room for. */
  private pump(): void {
    while (this.hasRoom()) {
      const run = this.nextRun();
      if (run.length === 0) break;
      this.send(run);
    }
    if (this.laterStart < this.later.length || !this.hasRoom() || !this.hasRoomToFill()) return;
    this.rooms.shift()?.resolve();
  }

  private hasRoom(): boolean {
    return this.bytesUnderWay < this.most && this.requestsUnderWay < this.requests;
  }

  /** Bytes under way up to which something is sent that nobody waits for. */
  private get most(): number {
    const { capacity, roundTrip } = this.link;
    if (this.isHeldUp) return SHARE * capacity;
    if (this.isStarting) return Math.max(SHARE * capacity, Math.min(SHARE * roundTrip * HOPED_RATE, MOST_HOPED));
    if (this.unattended) return Math.max(CALM_SHARE * capacity, LEAST_UNATTENDED);
    return Math.max((this.isQuiet(CALM_TIME) ? CALM_SHARE : SHARE) * capacity, LEAST_UNDER_WAY);
  }

  private hasRoomToFill(): boolean {
    return !this.isHeldUp || this.fills === 0 || this.bytesUnderWay < this.link.capacity + START_QUEUE * this.link.rate;
  }

  /** The first chunk that is wanted soon, and its neighbours that are wanted too, those behind it first. */
  private nextRun(): Flight[] {
    while (this.laterStart < this.later.length && this.later[this.laterStart]!.sent) this.laterStart++;
    const first = this.later[this.laterStart];
    if (first === undefined) {
      this.later.length = this.laterStart = 0;
      return [];
    }
    const { stepSize } = this;
    let size = first.chunk.frameSize;
    const neighbours = (step: 1 | -1): Flight[] => {
      const found: Flight[] = [];
      for (let at = first.chunk.number + step; size < stepSize; at += step) {
        const next = this.flights.get(at);
        if (next?.sent !== false) break;
        found.push(next);
        size += next.chunk.frameSize;
      }
      return found;
    };
    const behind = neighbours(1);
    return [...neighbours(-1).reverse(), first, ...behind];
  }

  /** @param run neighbours, ascending */
  private send(run: readonly Flight[]): void {
    let left = run.length;
    this.requestsUnderWay++;
    for (const flight of run) {
      flight.sent = true;
      this.bytesUnderWay += flight.chunk.frameSize;
    }
    this.inner.get(run.map(({ chunk }) => chunk)).forEach((bytes, i) => {
      const flight = run[i]!;
      const land = (): void => {
        this.flights.delete(flight.chunk.number); // also after a failure: who comes next tries anew
        this.bytesUnderWay -= flight.chunk.frameSize;
        if (--left === 0) this.requestsUnderWay--;
        this.pump();
      };
      bytes.then((value) => { flight.resolve(value); land(); }, (error: unknown) => { flight.reject(error); land(); });
    });
  }
}

/** @param flights ascending @returns them, cut where a number is left out */
function runsOf(flights: readonly Flight[]): Flight[][] {
  const runs: Flight[][] = [];
  for (const flight of flights) {
    const run = runs.at(-1);
    if (run?.at(-1)?.chunk.number === flight.chunk.number - 1) run.push(flight);
    else runs.push([flight]);
  }
  return runs;
}
