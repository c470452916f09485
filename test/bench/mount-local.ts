/**
 * Reading what is on this machine, mounts against their peers: node dist/test/bench/mount-local.js CORPORA [rounds] [WORK [PEER…]]
 *
 * CORPORA is the folder that shared tools/make-corpora.sh filled. Images are made in WORK, and reused when it has them. All backing files
 * are in the page cache; "cold" is a fresh mount.
 *
 * What the figures of a served mount are made of, where they are above the peers' (two cores of a virtual machine):
 * - "4K in memory" of the tree: 24 to 32 us after some 3000 requests (four runs; passthrough 26 to 29), 31 to 38 in the first thousand, which is what is measured here: V8 has not optimized
 *   yet. The digest of the block, which every page needs once, is about 4 us of it.
 * - p99 of "cold 4K": the first 130 reads take 0.5 to 0.8 ms of processor time, 0.12 later: a page of fresh memory costs 20 us on that machine, and a chunk has sixteen; then code that is not
 *   compiled, and 0.3 ms for the digests of each 8 MiB stretch. Having the first server rehearse such reads in advance halved that time, but no run of this benchmark showed it, and it took 8 to 15 MB more for each process: not done.
 *
 * Needs root, /dev/fuse, loop devices; cc and libfuse3-dev for the probe and the C peer.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { machine, median } from './measure.js';

const [corpora, rounds = '3', given, ...wanted] = process.argv.slice(2);
if (corpora === undefined) throw new Error('usage: mount-local.js CORPORA [rounds] [WORK [PEER...]]');
const work = resolve(given ?? join(tmpdir(), `thawfs-bench-mount-${process.pid}`));
const at = (name: string): string => join(work, name);
const thawfs = [resolve('bin/run.js')];
const trees = ['big', 'many'] as const;
type Tree = typeof trees[number];

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
}
const cli = (...args: string[]): string => run(process.execPath, ...thawfs, ...args);

interface Peer {
  readonly name: string;
  /** Mounts a tree's image on a directory. */
  readonly mount: (tree: Tree, directory: string) => void;
  readonly unmount?: (directory: string) => void;
  /** Is not asked to walk all of `many`. */
  readonly spared?: boolean;
}

/** Children that stay until somebody unmounts. */
function background(directory: string, command: string, ...args: string[]): void {
  spawn(command, args, { stdio: 'ignore' });
  for (let i = 0; spawnSync('mountpoint', ['-q', directory]).status !== 0; i++) {
    if (i > 1000) throw new Error(`${command} does not mount`);
    spawnSync('sleep', ['0.01']);
  }
}

/** A loop device of its own: mount -o loop would share one, and its page cache, with whoever has the file mounted. */
function mountFile(file: string, directory: string): void {
  const device = run('losetup', '--read-only', '--find', '--show', file).trim();
  run('mount', '-o', 'ro', device, directory);
  run('losetup', '--detach', device);
}

const served = (tree: Tree): string[] => ['mount', `${origin}/${tree}.img.zst`, '--allow-unsigned', '--cache', at('cache'), '--cache-size', '20G', '--offline', '--no-fill'];
let origin = '';

const allPeers: readonly Peer[] = [
  { name: 'kernel ext4 on a loop', mount: (tree, directory) => { mountFile(at(`${tree}.ext4`), directory); } },
  { name: 'kernel squashfs zstd 128K', mount: (tree, directory) => { mountFile(at(`${tree}.squashfs`), directory); } },
  { name: 'kernel erofs lz4hc 64K', mount: (tree, directory) => { mountFile(at(`${tree}.erofs`), directory); } }, // Debian 12's mkfs.erofs has no zstd
  { name: 'squashfuse', mount: (tree, directory) => { run('squashfuse', at(`${tree}.squashfs`), directory); } },
  { name: 'fuse2fs', mount: (tree, directory) => { background(directory, 'fuse2fs', '-f', '-o', 'ro', at(`${tree}.ext4`), directory); }, spared: true }, // it takes minutes
  { name: 'C passthrough (libfuse)', mount: (tree, directory) => { background(directory, at('passthrough'), '-f', '-o', `source=${at(`under-${tree}`)},cache=always,timeout=86400`, directory); }, spared: true }, // it keeps a descriptor for every file
  { name: 'thawfs block, served', mount: (tree, directory) => { cli(...served(tree), directory, '--no-handover', '--backend', 'block'); }, unmount: (directory) => { cli('umount', directory); } },
  { name: 'thawfs block, handed over', mount: (tree, directory) => { cli(...served(tree), directory, '--backend', 'block'); }, unmount: (directory) => { cli('umount', directory); } },
  { name: 'thawfs tree', mount: (tree, directory) => { cli(...served(tree), directory, '--backend', 'tree'); }, unmount: (directory) => { cli('umount', directory); } },
];

const peers = allPeers.filter(({ name }, i) => i === 0 || wanted.length === 0 || wanted.some((part) => name.includes(part)));

/** Makes what is missing in WORK. */
function prepare(): void {
  mkdirSync(work, { recursive: true });
  run('cc', '-O2', '-o', at('probe'), resolve('test/bench/probe.c'));
  const example = '/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c';
  const flags = run('pkg-config', 'fuse3', '--cflags', '--libs').trim().split(' ');
  run('cc', '-O2', '-o', at('passthrough'), example, ...flags);
  for (const tree of trees) {
    const source = join(corpora!, tree);
    if (!existsSync(at(`${tree}.squashfs`))) run('mksquashfs', source, at(`${tree}.squashfs`), '-comp', 'zstd', '-b', '131072', '-noappend', '-no-progress', '-quiet');
    if (!existsSync(at(`${tree}.erofs`))) run('mkfs.erofs', '-zlz4hc', '-C65536', at(`${tree}.erofs`), source);
    if (!existsSync(at(`${tree}.img.zst`))) cli('build', source, '-o', at(`${tree}.img.zst`), '--no-check', '--name', tree);
    // The same ext4 for everybody: what is compared is the way to it.
    if (!existsSync(at(`${tree}.ext4`))) cli('unpack', at(`${tree}.img.zst`), '-o', at(`${tree}.ext4`), '--allow-unsigned');
    for (const name of [`under-${tree}`, `at-${tree}`]) mkdirSync(at(name), { recursive: true });
    if (spawnSync('mountpoint', ['-q', at(`under-${tree}`)]).status !== 0) mountFile(at(`${tree}.ext4`), at(`under-${tree}`));
    run('bash', '-c', `tar -cf - ${at(`under-${tree}`)} 2>/dev/null | cat > /dev/null; cat ${at(tree)}.* > /dev/null`);
  }
}

/** Fills the cache, so that every chunk is here compressed, and every raw image is written out. */
async function fill(): Promise<void> {
  const server = spawn(process.execPath, [...thawfs, 'serve', work, '--port', '0'], { stdio: ['ignore', 'pipe', 'ignore'] });
  origin = await new Promise((found) => { server.stdout.on('data', (text: Buffer) => { const url = /http:\/\/[^\s/]+/.exec(String(text))?.[0]; if (url !== undefined) found(url); }); });
  for (const tree of trees) {
    const directory = at(`at-${tree}`);
    cli(...served(tree).filter((flag) => flag !== '--offline'), directory, '--backend', 'block');
    cli('fill', directory);
    cli('umount', directory);
  }
  server.kill();
  run('bash', '-c', `find ${at('cache')} -type f -exec cat {} + > /dev/null`);
}

type Cell = 'hot' | 'map' | 'stream' | 'apart' | 'within' | 'open' | 'find' | 'tar';
const headings: readonly (readonly [Cell, string])[] = [
  ['hot', 'hot 4K us'], ['map', 'mmap 1M us'], ['stream', 'hot 1M us'], ['apart', 'cold 4K us'], ['within', '4K in memory us'], ['open', 'open+read us'], ['find', 'find+stat s'], ['tar', 'tar many s'],
];

function seconds(command: string): number {
  const start = performance.now();
  run('bash', '-c', command);
  return (performance.now() - start) / 1000;
}

let seed = 1;
/** @returns microseconds at p50 and p99 */
function probe(mode: Cell, files: readonly string[]): [number, number] {
  const [p50, p99] = run(at('probe'), mode, String(seed++), ...files).trim().split(' ').map(Number) as [number, number];
  return [p50 / 1000, p99 / 1000];
}

function filesOf(tree: Tree, directory: string, least: number, most: number): string[] {
  return readdirSync(join(corpora!, tree), { recursive: true, encoding: 'utf8' }).sort()
    .filter((name) => { const info = statSync(join(corpora!, tree, name), { throwIfNoEntry: false }); return info?.isFile() === true && info.size >= least && info.size < most; })
    .map((name) => join(directory, name));
}

function measure(peer: Peer): Partial<Record<Cell, [number, number]>> {
  const cells: Partial<Record<Cell, [number, number]>> = {};
  const on = (tree: Tree, body: (directory: string) => void): void => {
    const directory = at(`at-${tree}`);
    peer.mount(tree, directory);
    try {
      body(directory);
    } finally {
      (peer.unmount ?? ((place) => { run('umount', place); }))(directory);
    }
  };
  on('big', (directory) => { cells.apart = probe('apart', filesOf('big', directory, 1 << 20, Infinity)); });
  on('big', (directory) => {
    const files = filesOf('big', directory, 8 << 20, Infinity);
    for (const mode of ['within', 'hot', 'map', 'stream'] as const) cells[mode] = probe(mode, files);
  });
  on('many', (directory) => {
    if (peer.spared === true) {
      cells.open = probe('open', filesOf('many', directory, 1, 65_536).slice(0, 1000));
      return;
    }
    const find = seconds(`find ${directory} -printf '%s %m\\n' > /dev/null`);
    cells.find = [find, find];
    const tar = seconds(`tar -cf - ${directory} 2>/dev/null | cat > /dev/null`);
    cells.tar = [tar, tar];
    cells.open = probe('open', filesOf('many', directory, 1, 65_536).slice(0, 1000));
  });
  return cells;
}

process.stdout.write(`${machine()}\n`);
prepare();
await fill();
const figures = new Map(peers.map(({ name }) => [name, [] as Partial<Record<Cell, [number, number]>>[]]));
try {
  for (let round = 0; round < Number(rounds); round++) for (const peer of peers) figures.get(peer.name)!.push(measure(peer));
} finally {
  for (const tree of trees) spawnSync('umount', [at(`under-${tree}`)]);
  if (given === undefined) rmSync(work, { recursive: true, force: true });
}

process.stdout.write(`\nmedians of ${rounds} rounds; p50/p99, below them the ratio of p50 to kernel ext4 on a loop\n${''.padEnd(28)}${headings.map(([, title]) => title.padStart(17)).join('')}\n`);
const middle = (name: string, cell: Cell, which: 0 | 1): number => median(figures.get(name)!.map((cells) => cells[cell]?.[which] ?? NaN));
const ratio = (name: string, key: Cell): string => {
  const value = middle(name, key, 0) / middle(peers[0]!.name, key, 0);
  return Number.isNaN(value) ? '' : `${value.toFixed(2)}x`;
};
for (const { name } of peers) {
  const cell = (key: Cell): string => {
    const [p50, p99] = [middle(name, key, 0), middle(name, key, 1)];
    if (Number.isNaN(p50)) return '-';
    return key === 'find' || key === 'tar' ? p50.toFixed(2) : `${p50.toFixed(p50 < 10 ? 2 : 0)}/${p99.toFixed(p99 < 10 ? 1 : 0)}`;
  };
  process.stdout.write(`${name.padEnd(28)}${headings.map(([key]) => cell(key).padStart(17)).join('')}\n`);
  process.stdout.write(`${''.padEnd(28)}${headings.map(([key]) => ratio(name, key).padStart(17)).join('')}\n`);
}
