/** Sets of numbers that lie in runs: blocks or inodes in use. */

/** The numbers [start, end). */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export class Spans {
  /** How many numbers there are. */
  readonly size: number;

  /** @param list ascending, neither touching nor overlapping */
  constructor(readonly list: readonly Span[]) {
    this.size = list.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** @param numbers ascending; one may be there more than once */
  static of(numbers: Iterable<number>): Spans {
    const list: { start: number; end: number }[] = [];
    for (const number of numbers) {
      const last = list.at(-1);
      if (last === undefined || number > last.end) list.push({ start: number, end: number + 1 });
      else last.end = number + 1;
    }
    return new Spans(list);
  }

  /** The number behind the last one; 0 when there is none. */
  get end(): number {
    return this.list.at(-1)?.end ?? 0;
  }

  /** @returns what lies in [from, to), counted from `from` */
  within(from: number, to: number): Spans {
    let [low, high] = [0, this.list.length];
    while (low < high) {
      const middle = low + high >>> 1;
      if (this.list[middle]!.end > from) high = middle;
      else low = middle + 1;
    }
    const list: Span[] = [];
    for (; low < this.list.length && this.list[low]!.start < to; low++) {
      const { start, end } = this.list[low]!;
      list.push({ start: Math.max(start, from) - from, end: Math.min(end, to) - from });
    }
    return new Spans(list);
  }
}
