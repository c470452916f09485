/** What reading a lazy image has cost: counters in memory that another thread may read. */

const statisticNames = ['memoryHits', 'diskHits', 'fetched', 'requests', 'bytesFetched', 'corruptLocal', 'refetched', 'retries'] as const;

export interface LazyStatistics {
  /** Chunks that came from memory, from disk, and over the network. */
  memoryHits: number;
  diskHits: number;
  fetched: number;
  requests: number;
  bytesFetched: number;
  /** Chunks found damaged on disk, and dropped. */
  corruptLocal: number;
  /** Chunks that were damaged on the way, and fetched again. */
  refetched: number;
  /** Times that no origin answered, and waiting went on. */
  retries: number;
}

/** What fetching has cost. */
export type FetchCost = Pick<LazyStatistics, 'requests' | 'bytesFetched' | 'fetched'>;

/** Numbers that the counters have. */
export const STATISTICS_SIZE = statisticNames.length;

/** An object whose properties are numbers of shared memory. One thread writes. */
export function countersIn(numbers: Float64Array): LazyStatistics {
  return Object.defineProperties({}, Object.fromEntries(statisticNames.map((name, i) => [name, {
    enumerable: true, get: () => numbers[i]!, set: (value: number) => { numbers[i] = value; },
  }]))) as LazyStatistics;
}

/** @returns counters of several threads, added up */
export function addStatistics(parts: readonly Float64Array[]): LazyStatistics {
  return Object.fromEntries(statisticNames.map((name, i) => [name, parts.reduce((sum, part) => sum + part[i]!, 0)])) as unknown as LazyStatistics;
}

/** @returns facts of which those that say what fetching has cost are added up */
export function addCost<Facts extends FetchCost>(facts: Facts, cost: FetchCost = { requests: 0, bytesFetched: 0, fetched: 0 }): Facts {
  return { ...facts, requests: facts.requests + cost.requests, bytesFetched: facts.bytesFetched + cost.bytesFetched, fetched: facts.fetched + cost.fetched };
}
