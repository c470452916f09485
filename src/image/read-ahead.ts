/**
 * Reading ahead of readers that go through an image in order. It bets only a fixed share of what was really used: the bytes
 * fetched in vain stay below that share however readers behave. Where all of the image is being fetched anyway no byte is in
 * vain: then it bets on everybody who reads in order.
 */

/** Chunks fetched ahead and not used yet are at most this share of those used, and a few. */
const WASTE = 0.2;
const FREE_BETS = 4;
/** Readers that are followed at a time. */
const STREAMS = 16;
/** Chunks ahead of one reader at most: 4 MiB raw at 64 KiB. */
const WINDOW_MAX = 64;
/** Chunks ahead for each that a reader has used, when bets cost nothing. */
const GENEROSITY = 2;

export interface ReadAheadOptions {
  readonly chunkCount: number;
  /** Everything will be fetched in the end. */
  readonly generous: boolean;
  /** Whether a chunk needs no fetching. */
  readonly isLocal: (chunk: number) => boolean;
  /** Fetches chunks, ascending, in the background; must not throw. */
  readonly prefetch: (chunks: readonly number[]) => void;
}

/** A reader that goes forwards. */
interface Stream {
  /** The chunk it will want next. */
  next: number;
  /** First chunk that was not fetched ahead for it. */
  end: number;
  /** Chunks it has used. */
  length: number;
}

export class ReadAhead {
  /** Most recently advanced last. */
  private readonly streams: Stream[] = [];
  /** Fetched ahead and not used yet. */
  private readonly bets = new Set<number>();
  private used = 0;

  constructor(private readonly options: ReadAheadOptions) {}

  /** Chunks fetched ahead in vain so far, at worst. */
  get open(): number { return this.bets.size; }

  /** A reader used `chunk`: it was missing, or it was found on disk for the first time. */
  touch(chunk: number): void {
    this.used++;
    this.bets.delete(chunk);
    const at = this.streams.findIndex(({ next, end }) => chunk >= next - 1 && chunk <= end);
    const stream = at < 0 ? { next: chunk, end: chunk, length: 0 } : this.streams.splice(at, 1)[0]!;
    this.streams.push(stream);
    if (this.streams.length > STREAMS) this.streams.shift();
    if (chunk + 1 > stream.next) {
      stream.length += chunk + 1 - stream.next;
      stream.next = chunk + 1;
      stream.end = Math.max(stream.end, chunk + 1);
    }
    this.extend(stream);
  }

  /** Asks for more when half of what was asked for has been used, so that the next part arrives before it is wanted. */
  private extend(stream: Stream): void {
    const { chunkCount, isLocal, prefetch } = this.options;
    const window = Math.min(WINDOW_MAX, this.budget(stream));
    if (window < 1 || stream.end - stream.next > window / 2) return;
    const wanted: number[] = [];
    const end = Math.min(chunkCount, stream.next + window);
    for (let chunk = stream.end; chunk < end; chunk++) {
      if (isLocal(chunk)) continue;
      wanted.push(chunk);
      this.bets.add(chunk);
    }
    stream.end = Math.max(stream.end, end);
    if (wanted.length > 0) prefetch(wanted);
  }

  /** Chunks that may be ahead of a stream. */
  private budget({ next, end, length }: Stream): number {
    if (this.options.generous) return GENEROSITY * (length - 1);
    return Math.min(length - 1, Math.floor(this.used * WASTE) + FREE_BETS - this.bets.size + (end - next));
  }
}
