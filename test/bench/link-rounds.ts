/** Rounds of a benchmark that mounts: each in a folder of its own, so that no server that is still ending meets the next round's cache. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { median } from './measure.js';

/** Where a round works. */
export interface Place { readonly folder: string; readonly mounted: string; readonly cache: string }

export interface Way {
  readonly name: string;
  readonly command: (place: Place) => string;
  /** Most seconds that it may take, as a share of the first way's. */
  readonly target?: number;
}

/** Runs a shell command to its end while this process stays at work. @returns seconds */
export async function seconds(command: string): Promise<number> {
  const start = performance.now();
  await output(command);
  return (performance.now() - start) / 1000;
}

/** @returns what a shell command printed @throws when it fails, with its errors */
export async function output(command: string): Promise<string> {
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [text, errors] = ['', ''];
  child.stdout.on('data', (part: Buffer) => { if (text.length < 1e6) text += part.toString(); });
  child.stderr.on('data', (part: Buffer) => { errors += part.toString(); });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`${command}: exit status ${status ?? '?'}\n${errors.slice(-2000)}`);
  return text;
}

/** Of a benchmark's folder: fresh places in it, taken down when their round is over. The folder itself is the caller's to remove. */
export class Rounds {
  private count = 0;

  /** @param thawfs the command that unmounts */
  constructor(private readonly folder: string, private readonly thawfs: string) {}

  async in<T>(body: (place: Place) => Promise<T>): Promise<T> {
    const folder = `${this.folder}/round-${this.count++}`;
    const place = { folder, mounted: `${folder}/mounted`, cache: `${folder}/cache` };
    mkdirSync(place.mounted, { recursive: true });
    try {
      return await body(place);
    } finally {
      const { mounted } = place;
      spawnSync('bash', ['-c', `${this.thawfs} umount ${mounted} || umount ${mounted} || umount -l ${mounted}`], { stdio: 'ignore' });
      // Caches stay until the end: ext4 looks through all inodes that were freed in the last minutes before it gives one away, and the next round makes as many files.
      for (const name of readdirSync(folder)) if (name !== 'cache') rmSync(`${folder}/${name}`, { recursive: true, force: true });
      // What is written out of this round is not the next one's business.
      spawnSync('sync');
    }
  }

  /** Interleaved rounds of all ways, each from nothing; prints medians, against the first way and against the targets. */
  async race(title: string, ways: readonly Way[], rounds: number): Promise<void> {
    const times = ways.map(() => [] as number[]);
    for (let round = 0; round < rounds; round++) {
      for (const [i, { command }] of ways.entries()) times[i]!.push(await this.in((place) => seconds(command(place))));
    }
    process.stdout.write(`\n${title}\n`);
    const first = median(times[0]!);
    for (const [i, { name, target }] of ways.entries()) {
      const all = times[i]!;
      const share = median(all) / first;
      process.stdout.write(`  ${name.padEnd(50)} ${median(all).toFixed(2).padStart(6)} s  ${share.toFixed(2)}x ${judged(share, target, 'most').padEnd(18)} (${all.map((time) => time.toFixed(2)).join(' ')})\n`);
    }
  }
}

/** @returns the target, and whether it was met; nothing without one */
export function judged(value: number, target: number | undefined, bound: 'most' | 'least'): string {
  if (target === undefined) return '';
  const met = bound === 'most' ? value <= target : value >= target;
  return `${bound === 'most' ? '<=' : '>='} ${target.toFixed(2)} ${met ? 'met' : 'MISSED'}`;
}
