/** Runs whole commands against each other: interleaved rounds, wall seconds, CPU seconds and peak memory by GNU time, medians. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Contestant {
  readonly name: string;
  /** A shell command; its output files are removed by `clean` before each round. */
  readonly command: string;
  /** Files it writes: removed before each round, sizes added up after the last. */
  readonly outputs?: readonly string[];
}

export interface Figures { readonly name: string; readonly wall: number; readonly cpu: number; readonly memory: number; readonly size: number }

const timeFile = join(tmpdir(), `thawfs-bench-${process.pid}`);

function once(contestant: Contestant): Figures {
  for (const output of contestant.outputs ?? []) rmSync(output, { force: true, recursive: true });
  const result = spawnSync('/usr/bin/time', ['-f', '%e %U %S %M', '-o', timeFile, 'bash', '-c', contestant.command], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${contestant.name} exited with ${result.status}: ${result.stderr.slice(-2000)}`);
  const [wall, user, system, memory] = readFileSync(timeFile, 'utf8').trim().split(' ').map(Number) as [number, number, number, number];
  const size = (contestant.outputs ?? []).reduce((sum, output) => sum + statSync(output).size, 0);
  return { name: contestant.name, wall, cpu: user + system, memory: memory * 1024, size };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Interleaves the contestants, so that a slow minute of the machine hits all of them. */
export function race(contestants: readonly Contestant[], rounds: number): Figures[] {
  const runs = new Map(contestants.map(({ name }) => [name, [] as Figures[]]));
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) runs.get(contestant.name)!.push(once(contestant));
  }
  rmSync(timeFile, { force: true });
  return contestants.map(({ name }) => {
    const all = runs.get(name)!;
    return { name, wall: median(all.map((r) => r.wall)), cpu: median(all.map((r) => r.cpu)), memory: median(all.map((r) => r.memory)), size: all[0]!.size };
  });
}

/** Prints the table with ratios against the contestant named `reference`. */
export function report(title: string, figures: readonly Figures[], reference: string): void {
  const base = figures.find(({ name }) => name === reference)!;
  const against = (value: number, by: number): string => (by > 0 ? `${(value / by).toFixed(2)}x` : '-').padStart(7);
  process.stdout.write(`\n${title} (ratios against ${reference})\n${'command'.padEnd(38)} wall s         CPU s          MB out          peak MiB\n`);
  for (const { name, wall, cpu, memory, size } of figures) {
    process.stdout.write(`${name.padEnd(38)} ${wall.toFixed(2).padStart(6)}${against(wall, base.wall)} ${cpu.toFixed(2).padStart(6)}${against(cpu, base.cpu)} `
      + `${(size / 1e6).toFixed(1).padStart(7)}${against(size, base.size)} ${(memory / 2 ** 20).toFixed(0).padStart(7)}\n`);
  }
}

/** One line that says on what the figures were taken. */
export function machine(): string {
  const model = /model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor';
  return `${model}, ${execFileSync('nproc', { encoding: 'utf8' }).trim()} cores, Linux ${execFileSync('uname', ['-r'], { encoding: 'utf8' }).trim()}, Node ${process.version}`;
}
