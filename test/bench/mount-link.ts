/**
 * Cold starts over a slow link, against downloading first: node dist/test/bench/mount-link.js TREE [ROUNDS] [PART...]
 *
 * PART is start, everything, latency, fill or casync; by default all. Everything goes through one shaped link (test/helpers/slow-link.ts), the
 * downloads by curl too. PROGRAM in the environment is the shell command that starts from the mounted tree, {} for where that is; THAWFS another program to measure.
 * Needs root, loop devices, curl, zstd. Medians of interleaved rounds.
 */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { startSlowLink, type LinkShape } from '../helpers/slow-link.js';
import { openImage } from '../../src/image/open.js';
import { chunksOf, ProfileLocator } from '../../src/image/profile/locate.js';
import { readProfile } from '../../src/image/profile/recording.js';
import { machine } from './measure.js';

const [tree, rounds = '3', ...wanted] = process.argv.slice(2);
if (tree === undefined) throw new Error('usage: mount-link.js TREE [ROUNDS] [start|everything|latency|fill|casync ...]');
const parts = new Set(wanted.length > 0 ? wanted : ['start', 'everything', 'latency', 'fill', 'casync']);
const program = process.env['PROGRAM'] ?? 'export LD_LIBRARY_PATH={}/usr/lib/x86_64-linux-gnu; {}/usr/bin/git --version; {}/usr/bin/php8.2 -r "echo 1;"; '
  + 'find {}/usr/share -name "*.p[ml]" | sort | awk "NR % 4 == 0" | xargs cat | wc -c';
const thawfs = `${process.execPath} ${process.env['THAWFS'] ?? 'bin/run.js'}`;

const near: LinkShape = { roundTrip: 20, rate: 100 };
const far: LinkShape = { roundTrip: 200, rate: 100 };
const folder = `${tmpdir()}/thawfs-bench-link-${process.pid}`;
const [mounted, cache, served] = [`${folder}/mounted`, `${folder}/cache`, `${folder}/served`];

/** Runs a shell command to its end while this process stays at work. @returns seconds */
async function seconds(command: string): Promise<number> {
  const start = performance.now();
  const child = spawn('bash', ['-o', 'pipefail', '-c', command], { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (text: Buffer) => { errors += text.toString(); });
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (status !== 0) throw new Error(`${command}: exit status ${status ?? '?'}\n${errors}`);
  return (performance.now() - start) / 1000;
}

function clean(): void {
  spawnSync('bash', ['-c', `umount ${mounted} 2>/dev/null || umount -l ${mounted} 2>/dev/null; sleep 0.5; rm -rf ${cache} ${folder}/raw ${folder}/copy; mkdir -p ${mounted}`]);
  // What is written out of the last round is not this round's business.
  spawnSync('sync');
}

const median = (values: readonly number[]): number => quantile(values, 0.5);

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

interface Way { readonly name: string; readonly command: string }

/** Interleaved rounds, each from nothing. The first way is what the others are compared with. */
async function race(title: string, ways: readonly Way[]): Promise<void> {
  const times = ways.map(() => [] as number[]);
  for (let round = 0; round < Number(rounds); round++) {
    for (const [i, { command }] of ways.entries()) {
      clean();
      times[i]!.push(await seconds(command));
    }
  }
  clean();
  process.stdout.write(`\n${title}\n`);
  const first = median(times[0]!);
  for (const [i, { name }] of ways.entries()) {
    const all = times[i]!;
    process.stdout.write(`  ${name.padEnd(52)} ${median(all).toFixed(2).padStart(6)} s  ${(median(all) / first).toFixed(2)}x   (${all.map((time) => time.toFixed(2)).join(' ')})\n`);
  }
}

const mount = (url: string, flags = ''): string => `${thawfs} mount ${url} ${mounted} --allow-unsigned --cache ${cache} --no-handover ${flags}`;
const at = (command: string): string => command.replaceAll('{}', mounted);
const download = (url: string): string => `curl -s ${url} | zstd -dcq > ${folder}/raw && mount -o loop,ro ${folder}/raw ${mounted}`;

async function throughLink<T>(port: number, shape: LinkShape, body: (base: string) => Promise<T>): Promise<T> {
  const link = await startSlowLink(port, shape);
  try {
    return await body(`http://127.0.0.1:${link.port}`);
  } finally {
    await link.close();
  }
}

/** Frame bytes of what a profile leads to in an image: what the program touched. */
async function touched(image: string, profile: string): Promise<{ bytes: number; all: number }> {
  await using opened = await openImage(image, { trust: { keys: [], allowUnsigned: true, now: 0 } });
  const locator = new ProfileLocator(opened.randomAccess);
  const { chunkSize, chunkCount } = opened.manifest.index;
  const chunks = chunksOf(readProfile(profile).visits.flatMap((visit) => locator.locate(visit) ?? []), chunkSize);
  const sizes = (await opened.locate(0, chunkCount)).map(({ frameSize }) => frameSize);
  return { bytes: [...chunks].reduce((sum, chunk) => sum + sizes[chunk]!, 0), all: sizes.reduce((sum, size) => sum + size, 0) };
}

async function bytesFetched(url: string, image: string, flags: string, name: string): Promise<void> {
  clean();
  const profile = `${folder}/seen.profile`;
  await seconds(`${mount(url, `--no-fill ${flags} --record ${profile}`)} && ${at(program)}`);
  const { stdout } = spawnSync('bash', ['-c', `${thawfs} status ${mounted} --json`], { encoding: 'utf8' });
  await seconds(`${thawfs} umount ${mounted}`);
  const fetched = Number(/"bytesFetched":\s*(\d+)/.exec(stdout)?.[1]);
  const requests = Number(/"requests":\s*(\d+)/.exec(stdout)?.[1]);
  const { bytes, all } = await touched(image, profile);
  process.stdout.write(`  ${name.padEnd(40)} ${(fetched / 1e6).toFixed(2)} MB in ${requests} requests, ${(fetched / bytes).toFixed(2)}x of the ${(bytes / 1e6).toFixed(2)} MB in chunks touched (${(100 * bytes / all).toFixed(1)} % of the image)\n`);
}

function serve(): Promise<{ port: number; server: ChildProcess }> {
  const server = spawn('bash', ['-c', `exec ${thawfs} serve ${served} --port 0`], { stdio: ['ignore', 'pipe', 'ignore'] });
  return new Promise((resolve) => server.stdout.on('data', (text: Buffer) => {
    const port = /:(\d+)\//.exec(text.toString())?.[1];
    if (port !== undefined) resolve({ port: Number(port), server });
  }));
}

mkdirSync(served, { recursive: true });
clean();
const [plain, hot] = [`${served}/plain.img.zst`, `${served}/hot.img.zst`];
process.stdout.write(`${machine()}\n`);
await seconds(`${thawfs} build ${tree} -o ${plain} --no-check`);
await seconds(`${mount(plain, `--no-fill --record ${folder}/start.profile`)} && ${at(program)} && ${thawfs} umount ${mounted}`);
await seconds(`${thawfs} build ${tree} -o ${hot} --no-check --profile ${folder}/start.profile`);
process.stdout.write(`${tree}: image ${(statSync(plain).size / 1e6).toFixed(1)} MB\nprogram: ${program}\n`);
const { port, server } = await serve();
try {
  await throughLink(port, near, async (base) => {
    const [cold, warm] = [`${base}/plain.img.zst`, `${base}/hot.img.zst`];
    if (parts.has('start')) {
      await race('cold start, 20 ms, 100 Mbit/s: mount and run the program', [
        { name: 'download it all, mount, run', command: `${download(cold)} && ${at(program)}` },
        { name: 'the download alone (curl)', command: `curl -s ${cold} -o ${folder}/copy` },
        { name: 'thawfs mount, no profile', command: `${mount(cold)} && ${at(program)}` },
        { name: 'thawfs mount --no-fill, no profile', command: `${mount(cold, '--no-fill')} && ${at(program)}` },
        { name: 'thawfs mount --profile, image not laid out by it', command: `${mount(cold, `--profile ${folder}/start.profile`)} && ${at(program)}` },
        { name: 'thawfs mount, profile in the image', command: `${mount(warm)} && ${at(program)}` },
        { name: 'thawfs mount --no-fill, profile in the image', command: `${mount(warm, '--no-fill')} && ${at(program)}` },
        { name: 'thawfs mount alone', command: mount(cold, '--no-fill') },
      ]);
      process.stdout.write('\nbytes, --no-fill\n');
      await bytesFetched(cold, plain, '', 'no profile');
      await bytesFetched(warm, hot, '', 'profile in the image');
    }
    if (parts.has('everything')) {
      await race('reading everything, 20 ms, 100 Mbit/s', [
        { name: 'the download alone (curl)', command: `curl -s ${cold} -o ${folder}/copy` },
        { name: 'download it all, mount, tar', command: `${download(cold)} && tar -C ${mounted} -c . | cat > /dev/null` },
        { name: 'thawfs mount, tar', command: `${mount(cold)} && tar -C ${mounted} -c . | cat > /dev/null` },
        { name: 'thawfs mount --no-fill, tar', command: `${mount(cold, '--no-fill')} && tar -C ${mounted} -c . | cat > /dev/null` },
      ]);
    }
    if (parts.has('latency')) {
      process.stdout.write('\n4 KiB at a random place of random files, 20 ms, 100 Mbit/s, milliseconds\n');
      for (const [name, flags] of [['--no-fill', '--no-fill'], ['while it is filled', '']] as const) {
        clean();
        await seconds(`${mount(cold, flags)} && find ${mounted} -size +1 > /dev/null`);
        const child = spawn(process.execPath, ['dist/test/bench/fault-latency.js', mounted, '200', '7'], { stdio: ['ignore', 'pipe', 'inherit'] });
        let text = '';
        for await (const piece of child.stdout) text += String(piece);
        const waited = (JSON.parse(text) as number[]).filter((time) => time > 5); // the others were here already
        process.stdout.write(`  ${name.padEnd(20)} ${waited.length} of 200 had to be fetched: p50 ${quantile(waited, 0.5).toFixed(1)}, p99 ${quantile(waited, 0.99).toFixed(1)}\n`);
      }
      clean();
    }
    if (parts.has('casync') && spawnSync('casync', ['--version']).status === 0) {
      execFileSync('bash', ['-c', `casync make --store=${served}/castr ${served}/tree.catar.caidx ${tree} > /dev/null`]);
      clean();
      const start = performance.now();
      const mounting = spawn('casync', ['mount', `--store=${base}/castr`, `${base}/tree.catar.caidx`, mounted], { stdio: 'ignore' });
      const outcome = await seconds(`until mountpoint -q ${mounted}; do sleep 0.05; done; timeout 60 bash -c '${at(program).replaceAll('\'', '\'\\\'\'')}'`).then(() => '', () => ', given up');
      process.stdout.write(`\ncasync mount, 20 ms, 100 Mbit/s: ${((performance.now() - start) / 1000).toFixed(1)} s${outcome}\n`);
      spawnSync('umount', ['-l', mounted]);
      mounting.kill();
    }
  });
  if (parts.has('fill')) {
    await throughLink(port, far, (base) => race('getting all of it, 200 ms, 100 Mbit/s', [
      { name: 'the download alone (curl)', command: `curl -s ${base}/plain.img.zst -o ${folder}/copy` },
      { name: 'thawfs mount, thawfs fill', command: `${mount(`${base}/plain.img.zst`)} && ${thawfs} fill ${mounted}` },
    ]));
  }
} finally {
  clean();
  server.kill();
  rmSync(folder, { recursive: true, force: true });
}
