/** Reads 4 KiB at a random place of random files below DIR, one after another: `node fault-latency.js DIR COUNT SEED` prints milliseconds, JSON. */
import { closeSync, openSync, readSync, readdirSync, statSync } from 'node:fs';

const [folder, count, seed] = process.argv.slice(2) as [string, string, string];
let state = Number(seed);
const random = (below: number): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor(state / 2 ** 32 * below);
};
// Names first: the faults that are measured are those of contents.
const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => `${entry.parentPath}/${entry.name}`).sort();
const sizes = files.map((path) => statSync(path).size);
const target = Buffer.alloc(4096);
const times = Array.from({ length: Number(count) }, () => {
  const place = random(files.length);
  const fd = openSync(files[place]!, 'r');
  const start = performance.now();
  readSync(fd, target, 0, 4096, random(Math.max(1, sizes[place]! - 4096)));
  const time = performance.now() - start;
  closeSync(fd);
  return time;
});
process.stdout.write(JSON.stringify(times));
