/**
 * A process that reads files of a mounted tree at random places until it is told to stop, and compares every byte with
 * the original: `node reading-process.js ORIGINAL MOUNTED SEED`. Prints a {@link ReadingReport} as JSON on SIGTERM.
 */
import { closeSync, openSync, readFileSync, readSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export interface ReadingReport {
  readonly reads: number;
  readonly bytes: number;
  /** Errors and differences, for people; at most 20 of each. */
  readonly errors: readonly string[];
  readonly wrong: readonly string[];
  /** Reads that took longer than 3 ms: when they began and how long they took, milliseconds (Date.now()). */
  readonly stalls: readonly (readonly [start: number, duration: number])[];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await readUntilStopped(process.argv[2]!, process.argv[3]!, Number(process.argv[4]));

async function readUntilStopped(original: string, mounted: string, seed: number): Promise<void> {
  const names = readdirSync(original, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(`${original}/${name}`).isFile() && statSync(`${original}/${name}`).size > 0);
  const contents = names.map((name) => readFileSync(`${original}/${name}`));
  const report = { reads: 0, bytes: 0, errors: [] as string[], wrong: [] as string[], stalls: [] as [number, number][] };
  const stop = new AbortController();
  process.on('SIGTERM', () => { stop.abort(); });
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const target = Buffer.alloc(256 * 1024);
  for (let round = 0; !stop.signal.aborted; round++) {
    if (round % 16 === 0) {
      writeFileSync('/proc/sys/vm/drop_caches', '3'); // what is cached proves nothing
      await turn();
    }
    const i = random(names.length);
    const content = contents[i]!;
    const offset = random(content.length);
    const length = Math.min(content.length - offset, [1, 4096, 65_536, 262_144][random(4)]!);
    const start = performance.now();
    const startTime = Date.now();
    try {
      const fd = openSync(`${mounted}/${names[i]!}`, 'r');
      const count = readSync(fd, target, 0, length, offset);
      closeSync(fd);
      if (count !== length || Buffer.compare(target.subarray(0, count), content.subarray(offset, offset + length)) !== 0) report.wrong.push(`${names[i]!} ${offset}+${length}: ${count} bytes`);
      report.bytes += count;
    } catch (error) {
      if (report.errors.length < 20) report.errors.push(`${names[i]!} ${offset}+${length}: ${String(error)}`);
    }
    const duration = performance.now() - start;
    if (duration > 3) report.stalls.push([startTime, duration]);
    report.reads++;
  }
  writeFileSync(1, JSON.stringify(report));
}

/** @returns a function that stops the reader and gives its report */
export function startReading(original: string, mounted: string, seed: number): () => Promise<ReadingReport> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), original, mounted, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const parts: Buffer[] = [];
  child.stdout.on('data', (data: Buffer) => { parts.push(data); });
  const ended = new Promise<void>((resolve) => child.once('close', () => { resolve(); }));
  return async () => {
    child.kill('SIGTERM');
    await ended;
    return JSON.parse(Buffer.concat(parts).toString()) as ReadingReport;
  };
}
