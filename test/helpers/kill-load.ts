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

/** Milliseconds between two kills: at most this much more than a server needs to be there again. */
const LONGEST_PAUSE = 200;

/** @param tree what the mount must show @param kills how many @param seed of the moments and of what is read */
export async function killUnderLoad(mounted: Mounted, tree: string, kills: number, seed = 1): Promise<KillReport> {
  const readers = await Promise.all([1, 2].map((reader) => startReading(tree, mounted.directory, seed * 10 + reader)));
  const moments: number[] = [];
  for (let kill = 0; kill < kills; kill++) {
    await delay((seed + kill * 7919) % LONGEST_PAUSE);
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
