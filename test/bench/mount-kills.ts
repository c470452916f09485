/**
 * What readers notice of kill -9 of the server: node dist/test/bench/mount-kills.js [KILLS] [block|tree] [PAUSE]
 *
 * Two processes read files of a mount at random and compare every byte while its server is killed KILLS times (default 200) at random moments, at most
 * PAUSE milliseconds (default 2000) after it began to serve; once with everything local (what is left is the time to replace the server), once while it is
 * being fetched. The peer is `node -e 0`: the start of one process.
 * Needs root and /dev/fuse.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { askedAgain, chunksOf } from '../helpers/kept-chunks.js';
import { killUnderLoad, type KillReport } from '../helpers/kill-load.js';
import { withLazyFixture } from '../helpers/lazy-mount.js';
import { noise } from '../helpers/make-tree.js';
import { machine, median } from './measure.js';

const [kills = '200', backend = 'block', pause = '2000'] = process.argv.slice(2);
if (backend !== 'block' && backend !== 'tree') throw new Error('usage: mount-kills.js [KILLS] [block|tree] [PAUSE]');

function nodeStart(): number {
  const start = performance.now();
  spawnSync(process.execPath, ['-e', '0']);
  return performance.now() - start;
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!;
}

function print(title: string, { stalls, errors, wrong, reads, replaced }: KillReport, fetchedAgain: string): void {
  const start = median(Array.from({ length: 15 }, nodeStart));
  const stall = (share: number): string => `${quantile(stalls, share).toFixed(1)} ms (${(quantile(stalls, share) / start).toFixed(2)}x)`;
  process.stdout.write(`${title}: ${stalls.length} kills, ${replaced} successors, ${reads} reads, ${errors.length} errors, ${wrong.length} wrong, ${fetchedAgain} fetched again\n`
    + `  longest stall p50 ${stall(0.5)}, p99 ${stall(0.99)}, worst ${stall(1)}; node -e 0: ${start.toFixed(1)} ms\n`);
  for (const line of [...errors, ...wrong]) process.stdout.write(`  ${line}\n`);
}

process.stdout.write(`${machine()}; ${backend} back-end, killed 0 to ${pause} ms after the last time\n`);
let asked: (range: string | undefined) => void = () => undefined;
await withLazyFixture({
  makeTree: (tree) => {
    spawnSync('mkdir', ['-p', tree]);
    for (let i = 0; i < 200; i++) writeFileSync(`${tree}/f${i}`, noise([10, 4096, 70_000, 300_000][i % 4]!, i));
  },
  interfere: ({ headers: { range } }) => {
    asked(range);
    return false;
  },
}, async ({ tree, image, server, cache, mount }) => {
  const chunks = chunksOf(image);
  const fetching = await mount({}, { backend });
  let again = 0;
  asked = (range) => { again += askedAgain(range, chunks, cache).length; };
  // Few kills suffice until everything is here.
  print('while it is fetched', await killUnderLoad(fetching, tree, { kills: Math.min(10, Number(kills)), longestPause: Number(pause) }), `${again} chunks`);
  await fetching.fill();
  const { bytesSent } = server;
  print('all of it local', await killUnderLoad(fetching, tree, { kills: Number(kills), longestPause: Number(pause), seed: 2 }), `${server.bytesSent - bytesSent} bytes`);
  await fetching.unmount();
});
