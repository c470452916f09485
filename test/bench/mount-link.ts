/**
 * Cold starts over a slow link, against downloading first: node dist/test/bench/mount-link.js TREE [ROUNDS] [PART...]
 *
 * PART is start, bytes, everything, fill, latency or casync; by default all. Three rounds of a part take less than 300 s for an image of 200 MB. Everything
 * goes through one shaped link (test/helpers/slow-link.ts), the downloads by curl too. In the environment: PROGRAM, the shell command that starts from
 * the mounted tree, {} for where that is; IMAGES, a folder in which images of TREE are kept for the next call; THAWFS, another program to measure.
 * Needs root, loop devices, nginx, curl, zstd, mksquashfs. Medians of interleaved rounds, each in a fresh folder.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { withNginx } from '../helpers/nginx.js';
import { startSlowLink, type LinkShape } from '../helpers/slow-link.js';
import { openImage } from '../../src/image/open.js';
import { chunksOf, ProfileLocator } from '../../src/image/profile/locate.js';
import { readProfile } from '../../src/image/profile/recording.js';
import { judged, output, Rounds, seconds, type Place } from './link-rounds.js';
import { machine, median } from './measure.js';

const [tree, rounds = '3', ...wanted] = process.argv.slice(2);
const all = ['start', 'bytes', 'everything', 'fill', 'latency', 'casync'];
if (tree === undefined || wanted.some((part) => !all.includes(part))) throw new Error(`usage: mount-link.js TREE [ROUNDS] [${all.join('|')} ...]`);
const parts = new Set(wanted.length > 0 ? wanted : all);
const program = process.env['PROGRAM'] ?? 'export LD_LIBRARY_PATH={}/usr/lib/x86_64-linux-gnu; {}/usr/bin/git --version; {}/usr/bin/php8.2 -r "echo 1;"; '
  + 'find {}/usr/share -name "*.p[ml]" | sort | awk "NR % 4 == 0" | xargs cat | wc -c';
const thawfs = `${process.execPath} ${process.env['THAWFS'] ?? 'bin/run.js'}`;

const near: LinkShape = { roundTrip: 20, rate: 100 };
const far: LinkShape = { roundTrip: 200, rate: 100 };
const folder = `${tmpdir()}/thawfs-bench-link-${process.pid}`;
const images = process.env['IMAGES'] ?? `${folder}/images`;
const [plain, hot, squash, profile] = ['plain.img.zst', 'hot.img.zst', 'tree.squashfs', 'start.profile'].map((name) => `${images}/${name}`) as [string, string, string, string];
const run = new Rounds(folder, thawfs);

const mount = (url: string, { mounted, cache }: Place, flags = ''): string => `${thawfs} mount ${url} ${mounted} --allow-unsigned --cache ${cache} --no-handover ${flags}`;
const at = (command: string, { mounted }: Place): string => command.replaceAll('{}', mounted);
const start = (place: Place): string => `(${at(program, place)})`;
const download = (url: string, place: Place): string => `curl -sf ${url} | zstd -dcq > ${place.folder}/raw && mount -o loop,ro ${place.folder}/raw ${place.mounted}`;
const tar = ({ mounted }: Place): string => `tar -C ${mounted} -c . | cat > /dev/null`;

async function prepare(): Promise<void> {
  mkdirSync(images, { recursive: true });
  if (!existsSync(plain)) await seconds(`${thawfs} build ${tree} -o ${plain} --no-check`);
  if (parts.has('start') && !existsSync(squash)) await seconds(`mksquashfs ${tree} ${squash} -comp zstd -Xcompression-level 3 -quiet -no-progress`);
  if (!parts.has('start') && !parts.has('bytes')) return;
  // The program may be another one than at the last call.
  await run.in((place) => seconds(`${mount(plain, place, `--no-fill --record ${profile}`)} && ${start(place)} && ${thawfs} umount ${place.mounted}`));
  await seconds(`${thawfs} build ${tree} -o ${hot} --no-check --profile ${profile}`);
}

async function throughLink(port: number, shape: LinkShape, body: (base: string) => Promise<void>): Promise<void> {
  const link = await startSlowLink(port, shape);
  try {
    await body(`http://127.0.0.1:${link.port}`);
  } finally {
    await link.close();
  }
}

const startRace = (base: string): Promise<void> => run.race(`cold start, 20 ms, 100 Mbit/s: mount and run the program`, [
  { name: 'the download alone (curl)', command: ({ folder: to }) => `curl -sf ${base}/plain.img.zst -o ${to}/copy` },
  { name: 'download it all, unpack, mount, run', command: (place) => `${download(`${base}/plain.img.zst`, place)} && ${start(place)}` },
  { name: 'download the squashfs, mount, run', command: (place) => `curl -sf ${base}/tree.squashfs -o ${place.folder}/copy && mount -o loop,ro ${place.folder}/copy ${place.mounted} && ${start(place)}` },
  { name: 'thawfs mount, no profile', target: 0.6, command: (place) => `${mount(`${base}/plain.img.zst`, place)} && ${start(place)}` },
  { name: 'thawfs mount --no-fill, no profile', target: 0.6, command: (place) => `${mount(`${base}/plain.img.zst`, place, '--no-fill')} && ${start(place)}` },
  { name: 'thawfs mount --profile, image not laid out by it', target: 0.2, command: (place) => `${mount(`${base}/plain.img.zst`, place, `--profile ${profile}`)} && ${start(place)}` },
  { name: 'thawfs mount, profile in the image', target: 0.2, command: (place) => `${mount(`${base}/hot.img.zst`, place)} && ${start(place)}` },
  { name: 'thawfs mount --no-fill, profile in the image', target: 0.2, command: (place) => `${mount(`${base}/hot.img.zst`, place, '--no-fill')} && ${start(place)}` },
  { name: 'thawfs mount alone', command: (place) => mount(`${base}/plain.img.zst`, place, '--no-fill') },
], Number(rounds));

/** Frame bytes of what a profile leads to in an image: what the program touched. */
async function touched(image: string, seen: string): Promise<{ bytes: number; all: number }> {
  await using opened = await openImage(image, { trust: { keys: [], allowUnsigned: true, now: 0 } });
  const locator = new ProfileLocator(opened.randomAccess);
  const { chunkSize, chunkCount } = opened.manifest.index;
  const chunks = chunksOf(readProfile(seen).visits.flatMap((visit) => locator.locate(visit) ?? []), chunkSize);
  const sizes = (await opened.locate(0, chunkCount)).map(({ frameSize }) => frameSize);
  return { bytes: [...chunks].reduce((sum, chunk) => sum + sizes[chunk]!, 0), all: sizes.reduce((sum, size) => sum + size, 0) };
}

async function bytesFetched(url: string, image: string, flags: string, name: string): Promise<void> {
  await run.in(async (place) => {
    const seen = `${place.folder}/seen.profile`;
    await seconds(`${mount(url, place, `--no-fill ${flags} --record ${seen}`)} && ${start(place)}`);
    const { mounts: [status] } = JSON.parse(await output(`${thawfs} status ${place.mounted} --json`)) as { mounts: [{ bytesFetched: number; requests: number }] };
    await seconds(`${thawfs} umount ${place.mounted}`);
    const { bytes, all: whole } = await touched(image, seen);
    const share = status.bytesFetched / bytes;
    process.stdout.write(`  ${name.padEnd(40)} ${(status.bytesFetched / 1e6).toFixed(2)} MB in ${status.requests} requests, ${share.toFixed(2)}x ${judged(share, 1.3, 'most')} of the ${(bytes / 1e6).toFixed(2)} MB in chunks touched (${(100 * bytes / whole).toFixed(1)} % of the image)\n`);
  });
}

/** Share of the link that a background fill uses from the moment in which the mount stands until all is here. */
async function fillShare(base: string): Promise<void> {
  const size = statSync(plain).size;
  const shares: Record<'curl' | 'fill' | 'mount', number[]> = { curl: [], fill: [], mount: [] };
  const share = (time: number, bytes = size): number => bytes * 8 / 1e6 / far.rate / time;
  for (let round = 0; round < Number(rounds); round++) {
    shares.curl.push(share(await run.in(({ folder: to }) => seconds(`curl -sf ${base}/plain.img.zst -o ${to}/copy`))));
    shares.fill.push(share(await run.in(({ cache }) => seconds(`${thawfs} fill ${base}/plain.img.zst --allow-unsigned --cache ${cache}`))));
    shares.mount.push(await run.in(async (place) => {
      await seconds(mount(`${base}/plain.img.zst`, place));
      const begun = performance.now();
      for (;;) {
        const { mounts: [status] } = JSON.parse(await output(`${thawfs} status ${place.mounted} --json`)) as { mounts: [{ bytesFetched: number; completion: { state: string } }] };
        if (status.completion.state === 'complete') return share((performance.now() - begun) / 1000, status.bytesFetched);
        await delay(250);
      }
    }));
  }
  process.stdout.write('\ngetting all of it, 200 ms, 100 Mbit/s: share of the link that was used\n');
  for (const [name, key] of [['the download alone (curl)', 'curl'], ['thawfs fill URL, from start to end', 'fill'], ['thawfs mount, from then until all is here', 'mount']] as const) {
    process.stdout.write(`  ${name.padEnd(50)} ${median(shares[key]).toFixed(2)} ${judged(median(shares[key]), key === 'curl' ? undefined : 0.9, 'least')}   (${shares[key].map((each) => each.toFixed(2)).join(' ')})\n`);
  }
}

async function latency(base: string): Promise<void> {
  process.stdout.write('\n4 KiB at a random place of random files, 20 ms, 100 Mbit/s, milliseconds\n');
  const quantile = (values: readonly number[], share: number): string => [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]?.toFixed(1) ?? '-';
  for (const [name, flags] of [['--no-fill', '--no-fill'], ['while it is filled', '']] as const) {
    await run.in(async (place) => {
      await seconds(`${mount(`${base}/plain.img.zst`, place, flags)} && find ${place.mounted} -size +1 > /dev/null`);
      const times = JSON.parse(await output(`${process.execPath} dist/test/bench/fault-latency.js ${place.mounted} 200 7`)) as number[];
      const waited = times.filter((time) => time > 5); // the others were here already
      process.stdout.write(`  ${name.padEnd(20)} ${waited.length} of 200 had to be fetched: p50 ${quantile(waited, 0.5)}, p99 ${quantile(waited, 0.99)}\n`);
    });
  }
}

async function casync(base: string): Promise<void> {
  if (spawnSync('casync', ['--version']).status !== 0) return;
  if (!existsSync(`${images}/tree.caidx`)) execFileSync('bash', ['-c', `casync make --store=${images}/castr ${images}/tree.caidx ${tree} > /dev/null`]);
  await run.in(async (place) => {
    const begun = performance.now();
    const mounting = spawn('casync', ['mount', `--store=${base}/castr`, `${base}/tree.caidx`, place.mounted], { stdio: 'ignore' });
    const outcome = await seconds(`until mountpoint -q ${place.mounted}; do sleep 0.05; done; timeout 120 bash -c '${at(program, place).replaceAll('\'', '\'\\\'\'')}'`).then(() => '', () => ', given up');
    process.stdout.write(`\ncasync mount, 20 ms, 100 Mbit/s: ${((performance.now() - begun) / 1000).toFixed(1)} s${outcome}\n`);
    spawnSync('umount', ['-l', place.mounted]);
    mounting.kill();
  });
}

await prepare();
process.stdout.write(`${machine()}\n${tree}: image ${(statSync(plain).size / 1e6).toFixed(1)} MB\nprogram: ${program}\n`);
try {
  mkdirSync(`${folder}/nginx`, { recursive: true });
  await withNginx(`${folder}/nginx`, images, '', measure);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** @param port of the server that has the images */
async function measure(port: number): Promise<void> {
  await throughLink(port, near, async (base) => {
    if (parts.has('start')) await startRace(base);
    if (parts.has('bytes')) {
      process.stdout.write('\nbytes fetched, --no-fill\n');
      await bytesFetched(`${base}/plain.img.zst`, plain, '', 'no profile');
      await bytesFetched(`${base}/plain.img.zst`, plain, `--profile ${profile}`, '--profile, image not laid out by it');
      await bytesFetched(`${base}/hot.img.zst`, hot, '', 'profile in the image');
    }
    if (parts.has('everything')) {
      await run.race('reading everything, 20 ms, 100 Mbit/s', [
        { name: 'the download alone (curl)', command: ({ folder: to }) => `curl -sf ${base}/plain.img.zst -o ${to}/copy` },
        { name: 'download it all, unpack, mount, tar', command: (place) => `${download(`${base}/plain.img.zst`, place)} && ${tar(place)}` },
        { name: 'thawfs mount, tar', target: 1.05, command: (place) => `${mount(`${base}/plain.img.zst`, place)} && ${tar(place)}` },
        { name: 'thawfs mount --no-fill, tar', command: (place) => `${mount(`${base}/plain.img.zst`, place, '--no-fill')} && ${tar(place)}` },
      ], Number(rounds));
    }
    if (parts.has('latency')) await latency(base);
    if (parts.has('casync')) await casync(base);
  });
  if (parts.has('fill')) await throughLink(port, far, fillShare);
}
