/**
 * A process that reads files of a mounted tree at random places until it is told to stop, and compares every byte with
 * the original: `node reading-process.js ORIGINAL MOUNTED SEED`. Prints a dot for every read, and on SIGTERM a {@link ReadingReport} as JSON.
 */
import { closeSync, openSync, readFileSync, readSync, readdirSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { libcFunction } from '../../src/sys/libc.js';
import { startDotted, type DottedProcess } from './dotted-process.js';

const POSIX_FADV_DONTNEED = 4;

export interface ReadingReport {
  readonly reads: number;
  /** Errors and differences, for people; at most 20 of each. */
  readonly errors: readonly string[];
  readonly wrong: readonly string[];
  /** Reads that took longer than {@link SLOW}: when they began (milliseconds since 1970) and how long they took. */
  readonly slow: readonly (readonly [number, number])[];
}

/** Milliseconds. */
const SLOW = 2;

if (process.argv[1] === fileURLToPath(import.meta.url)) await readUntilStopped(process.argv[2]!, process.argv[3]!, Number(process.argv[4]));

async function readUntilStopped(original: string, mounted: string, seed: number): Promise<void> {
  const forget = libcFunction('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)');
  if (forget === undefined) throw new Error('no posix_fadvise');
  const stop = new AbortController();
  process.on('SIGTERM', () => { stop.abort(); });
  const names = readdirSync(original, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(`${original}/${name}`).isFile() && statSync(`${original}/${name}`).size > 0);
  const contents = names.map((name) => readFileSync(`${original}/${name}`));
  const report = { reads: 0, errors: [] as string[], wrong: [] as string[], slow: [] as [number, number][] };
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const target = Buffer.alloc(256 * 1024);
  while (!stop.signal.aborted) {
    const i = random(names.length);
    const content = contents[i]!;
    const offset = random(content.length);
    const length = Math.min(content.length - offset, [1, 4096, 65_536, 262_144][random(4)]!);
    const place = `${names[i]!} ${offset}+${length}`;
    const began = performance.now();
    try {
      const fd = openSync(`${mounted}/${names[i]!}`, 'r');
      try {
        forget(fd, 0, 0, POSIX_FADV_DONTNEED); // what is cached proves nothing
        const count = readSync(fd, target, 0, length, offset);
        if (count !== length || Buffer.compare(target.subarray(0, count), content.subarray(offset, offset + length)) !== 0) report.wrong.push(`${place}: ${count} bytes`);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      if (report.errors.length < 20) report.errors.push(`${place}: ${String(error)}`);
    }
    const took = performance.now() - began;
    if (took > SLOW) report.slow.push([performance.timeOrigin + began, took]);
    report.reads++;
    writeSync(1, '.');
    await turn(); // SIGTERM
  }
  writeFileSync(1, JSON.stringify({ ...report, wrong: report.wrong.slice(0, 20) }));
}

/** @returns a reader that has made its first read */
export function startReading(original: string, mounted: string, seed: number): Promise<DottedProcess<ReadingReport>> {
  return startDotted(fileURLToPath(import.meta.url), [original, mounted, String(seed)]);
}
