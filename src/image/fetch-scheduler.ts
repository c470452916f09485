/**
 * Who gets the link. Three kinds of fetches share it:
 *
 *   demand  somebody waits: sent at once, neighbours that are missed in the same moment in one request
 *   soon    read-ahead and profile: sent in the order given, while there is room on the link
 *   fill    the rest: sent when nothing else is wanted, and less of it while somebody waits now and then
 *
 * The link has room while fewer bytes are under way than it holds (rate times round trip, as measured): then it is never idle, and
 * a demand finds next to no queue before it. A chunk is fetched once, whoever wants it; one that is wanted more urgently
 * than before is sent for at once.
 */
import type { LinkMeter } from '../source/link-meter.js';
import type { ChunkRef, ChunkStore } from '../store/chunk-store.js';
import { Departure, ignoreFailure } from '../store/departure.js';
import { Promised } from '../store/promised.js';
import { KiB, MiB } from '../units.js';

/** Requests at a time for what nobody waits for; and in all, so that demands never queue for a connection behind them. */
const BACKGROUND_REQUESTS = 8;
export const MAX_REQUESTS = 16;
/** Bytes under way, as multiples of what the link holds, up to which something is sent: for what will be wanted soon, for the rest in quiet times, and while readers wait. */
const SOON_SHARE = 2;
const QUIET_SHARE = 2;
const BUSY_SHARE = 1.25;
/** Readers are at work until none has waited for this long, milliseconds. */
const QUIET_TIME = 300;
/** Bytes of a background request: half of what the link holds, so that a few are enough, and within reason. */
const LEAST_STEP = 96 * KiB;
const MOST_STEP = 2 * MiB;

interface Flight extends Promised<Uint8Array> {
  readonly chunk: ChunkRef;
  sent: boolean;
}

export class FetchScheduler implements ChunkStore {
  private readonly flights = new Map<number, Flight>();
  /** Demands of this moment; sent when all messages of the moment are read. */
  private urgent: Flight[] = [];
  /** In the order in which they are wanted; those that were sent meanwhile are passed over. */
  private readonly later: Flight[] = [];
  private laterStart = 0;
  private rooms: Promised<void>[] = [];
  private bytesUnderWay = 0;
  private requestsUnderWay = 0;
  private demands = 0;
  private lastDemand = -Infinity;

  /** @param inner where chunks come from; asked for each run of neighbours by itself */
  constructor(private readonly inner: ChunkStore, private readonly link: LinkMeter) {}

  /** Frame bytes of a background request that suits the link. */
  get stepSize(): number {
    return Math.min(MOST_STEP, Math.max(LEAST_STEP, this.link.capacity / 2));
  }

  /** Whether somebody waits, or did a moment ago. */
  get isBusy(): boolean {
    return this.demands > 0 || performance.now() - this.lastDemand < QUIET_TIME;
  }

  /** Demands. As ChunkStore says; aborting ends the waiting, not the fetch. */
  get(chunks: readonly ChunkRef[], signal?: AbortSignal): Promise<Uint8Array>[] {
    if (chunks.length === 0) return [];
    const flights = chunks.map((chunk) => this.flightOf(chunk));
    for (const flight of flights) if (!flight.sent) this.rush(flight);
    this.demands++;
    this.lastDemand = performance.now();
    const departure = signal === undefined ? undefined : new Departure(signal, chunks.length);
    const answers = flights.map(({ promise }) => departure === undefined ? promise : departure.orAbort(promise));
    void Promise.allSettled(answers).then(() => {
      this.demands--;
      this.lastDemand = performance.now();
    });
    return answers;
  }

  /** Chunks that will be wanted, in this order; nobody waits for them yet. */
  hasten(chunks: readonly ChunkRef[]): void {
    for (const chunk of chunks) if (!this.flights.has(chunk.number)) this.later.push(this.flightOf(chunk));
    this.pump();
  }

  /** Sends for chunks now: for whoever has waited until there was {@link room}. @param chunks ascending */
  fill(chunks: readonly ChunkRef[]): Promise<Uint8Array>[] {
    const flights = chunks.map((chunk) => this.flightOf(chunk));
    for (const run of runsOf(flights.filter(({ sent }) => !sent))) this.send(run);
    return flights.map(({ promise }) => promise);
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
    const flight = Object.assign(new Promised<Uint8Array>(), { chunk, sent: false });
    ignoreFailure(flight.promise);
    this.flights.set(chunk.number, flight);
    return flight;
  }

  private rush(flight: Flight): void {
    if (this.urgent.length === 0) setImmediate(() => { this.sendUrgent(); });
    if (!this.urgent.includes(flight)) this.urgent.push(flight);
  }

  private sendUrgent(): void {
    const flights = this.urgent.filter(({ sent }) => !sent).sort((a, b) => a.chunk.number - b.chunk.number);
    this.urgent = [];
    for (const run of runsOf(flights)) this.send(run);
  }

  /** Sends what there is room for. */
  private pump(): void {
    while (this.hasRoom(SOON_SHARE)) {
      const run = this.nextRun();
      if (run.length === 0) break;
      this.send(run);
    }
    if (this.laterStart < this.later.length || !this.hasRoom(this.isBusy ? BUSY_SHARE : QUIET_SHARE)) return;
    this.rooms.shift()?.resolve();
  }

  private hasRoom(share: number): boolean {
    return this.bytesUnderWay < share * this.link.capacity && this.requestsUnderWay < BACKGROUND_REQUESTS;
  }

  /** The first chunk that is wanted soon, and its neighbours that are wanted too. */
  private nextRun(): Flight[] {
    const run: Flight[] = [];
    while (this.laterStart < this.later.length && this.later[this.laterStart]!.sent) this.laterStart++;
    let next = this.later[this.laterStart];
    for (let size = 0; next?.sent === false && size < this.stepSize; next = this.flights.get(next.chunk.number + 1)) {
      run.push(next);
      size += next.chunk.frameSize;
    }
    if (this.laterStart === this.later.length) this.later.length = this.laterStart = 0;
    return run;
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
