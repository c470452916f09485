/** kill -9 of the server of a mount, again and again at random moments, while processes read and compare every byte. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Mounted } from './mounted.js';
import { startReading, type ReadingReport } from './reading-process.js';

export interface KillReport extends Omit<ReadingReport, 'slow'> {
  /** For each kill, milliseconds of the longest read between it and the next. */
  readonly stalls: readonly number[];
  /** How often a successor took over. */
  readonly replaced: number;
}

export interface Kills {
  /** How many. */
  readonly kills: number;
  /** Milliseconds from when a server serves until it is killed: at random, evenly up to this. */
  readonly longestPause: number;
  /** Of the moments and of what is read. */
  readonly seed?: number;
}

/** @param tree what the mount must show */
export async function killUnderLoad(mounted: Mounted, tree: string, { kills, longestPause, seed = 1 }: Kills): Promise<KillReport> {
  const readers = await Promise.all([1, 2].map((reader) => startReading(tree, mounted.directory, seed * 10 + reader)));
  const moments: number[] = [];
  let state = seed;
  for (let kill = 0; kill < kills; kill++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    await delay(state / 2 ** 32 * longestPause);
    const { server } = await mounted.status();
    moments.push(performance.timeOrigin + performance.now());
    process.kill(server, 'SIGKILL');
  }
  await Promise.all(readers.map((reader) => reader.progress(1)));
  const reports = await Promise.all(readers.map((reader) => reader.stop()));
  const slow = reports.flatMap((report) => report.slow);
  return {
    reads: reports.reduce((sum, { reads }) => sum + reads, 0), errors: reports.flatMap(({ errors }) => errors), wrong: reports.flatMap(({ wrong }) => wrong),
    replaced: (await mounted.status()).replaced,
    stalls: moments.map((moment, i) => longest(slow, moment, moments[i + 1] ?? Infinity)),
  };
}

/** Of the reads that were under way at some time between the two. */
function longest(slow: ReadingReport['slow'], from: number, until: number): number {
  return slow.reduce((most, [began, took]) => (began < until && began + took > from ? Math.max(most, took) : most), 0);
}
