/**
 * Updates against the peers: node dist/test/bench/update.js WORK OLD NEW [NAME…]
 *
 * OLD and NEW are directories, for example server-old and server-new of shared tools/make-corpora.sh. Each NAME of the list below is measured once, and its
 * figures are kept in the folder WORK beside the images, so that a long comparison can be run in parts, and a short one again; without a name
 * nothing is measured. The table of all that was measured so far is printed at the end. bsdiff takes many minutes and GiB.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { PullReport } from '../../src/update/pull.js';
import { machine, race, type Contestant, type Figures } from './measure.js';

const [work, before, after, ...names] = process.argv.slice(2);
if (work === undefined || before === undefined || after === undefined) throw new Error('usage: update.js WORK OLD NEW [NAME…]');

mkdirSync(work, { recursive: true });
const at = (name: string): string => join(resolve(work), name);
const thawfs = `${process.execPath} ${resolve('bin/run.js')}`;
const unsigned = '--allow-unsigned --json';
const shell = (command: string): string => execFileSync('bash', ['-ec', command], { cwd: work, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

if (!existsSync(at('new.tar'))) {
  shell(`${thawfs} build ${resolve(before)} -o old.img.zst --name bench --no-check --json; ${thawfs} build ${resolve(after)} -o new.img.zst --name bench --no-check --json`);
  shell(`${thawfs} build ${resolve(after)} -o based.img.zst --name bench --base old.img.zst --no-check ${unsigned}`);
  shell('for age in old new based; do zstd -dcqf $age.img.zst > $age.img; done');
  shell(`tar --sort=name -C ${resolve(before)} -cf old.tar .; tar --sort=name -C ${resolve(after)} -cf new.tar .`);
}

/** What the bytes of a contestant are held against, and the target. */
interface Target { readonly peer: string; readonly ratio: number }

interface Entry extends Contestant {
  readonly targets?: readonly Target[];
  /** Bytes that an update brings, where they are not those of the outputs. */
  readonly bytes?: () => number;
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0), 0);
}

/** Of the plan, head and index included. */
function pulled(): number {
  const { cost } = JSON.parse(readFileSync(at('plan.json'), 'utf8')) as PullReport;
  return cost.fetch + cost.opened;
}

const xdelta = 'xdelta3 -9 -S djw -B 512M, raw images';
const diff = (name: string, image: string, level: number): Entry => ({
  name, command: `${thawfs} diff old.img.zst ${image}.img.zst -o ${image}.p${level} --level ${level} ${unsigned}`, outputs: [at(`${image}.p${level}`)],
});
const pull = (name: string, image: string, targets: readonly Target[] = []): Entry => ({
  name, command: `${thawfs} pull ${image}.img.zst -o got --seed old.img.zst --dry-run --no-patch ${unsigned} > plan.json`, bytes: pulled, targets,
});
const apply = (name: string, base: string, patch: string, output: string, flags = ''): Entry => ({
  name, command: `${thawfs} patch ${base} ${patch}.p19 -o made ${flags} ${unsigned}; cmp made ${output}`, outputs: [at('made')], targets: [],
});

const entries: Readonly<Record<string, Entry>> = {
  // Prepared for a pair of versions.
  xdelta: { name: xdelta, command: 'xdelta3 -e -f -9 -S djw -B 536870912 -s old.img new.img x', outputs: [at('x')] },
  bsdiff: { name: 'bsdiff, tars', command: 'bsdiff old.tar new.tar b', outputs: [at('b')] },
  rdiff: { name: 'rdiff + zstd -19', command: 'rdiff -f signature old.img sig; rdiff -f delta sig new.img delta; zstd -q -f -19 delta -o r', outputs: [at('r')] },
  zstd3: { name: 'zstd -3 --patch-from', command: 'zstd -q -f -3 --long=31 --patch-from=old.img new.img -o z3', outputs: [at('z3')] },
  zstd19: { name: 'zstd -19 --patch-from', command: 'zstd -q -f -19 --long=31 --patch-from=old.img new.img -o z19', outputs: [at('z19')] },
  diff: { ...diff('thawfs diff -o', 'new', 19), targets: [{ peer: 'xdelta', ratio: 0.65 }, { peer: 'bsdiff', ratio: 0.95 }] },
  diff3: diff('thawfs diff -o --level 3', 'new', 3),
  'diff-based': diff('thawfs diff -o, --base', 'based', 19),
  // Nothing prepared.
  casync: {
    name: 'casync, raw images', command: 'rm -rf store; casync make --store=store old.caibx old.img; cp -r store had; casync make --store=store new.caibx new.img',
    outputs: [at('had')], bytes: () => sizeOf(at('store')) - sizeOf(at('had')) + statSync(at('new.caibx')).size,
  },
  zchunk: {
    name: 'zchunk, raw images', command: 'zck -o old.zck old.img; zck -o new.zck new.img; zck_delta_size old.zck new.zck > told',
    bytes: () => Number(/Would download (\d+) of/.exec(readFileSync(at('told'), 'utf8'))?.[1]),
  },
  pull: pull('thawfs pull --seed, independent', 'new'),
  'pull-based': pull('thawfs pull --seed, --base', 'based', [{ peer: 'casync', ratio: 0.66 }, { peer: 'zchunk', ratio: 0.8 }]),
  // Applying; these need what was made above.
  decompress: { name: 'zstd -dc of the new image', command: 'zstd -dcq new.img.zst > /dev/null' },
  patch: apply('thawfs patch', 'old.img.zst', 'new', 'new.img.zst'),
  'patch-raw': apply('thawfs patch --raw, from raw', 'old.img', 'new', 'new.img', '--raw'),
  'patch-based': apply('thawfs patch, --base', 'old.img.zst', 'based', 'based.img.zst'),
  'patch-in-place': { name: 'thawfs patch --in-place', command: `cp old.img device; ${thawfs} patch device new.p19 --in-place ${unsigned}; cmp device new.img` },
  'xdelta-apply': { name: 'xdelta3 -d', command: 'xdelta3 -d -f -B 536870912 -s old.img x made; cmp made new.img', outputs: [at('made')] },
};

const file = at('figures.json');
const known = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<string, Figures>;
for (const name of names) {
  const entry = entries[name];
  if (entry === undefined) throw new Error(`${name}: none of ${Object.keys(entries).join(' ')}`);
  const [figures] = race([{ ...entry, command: `cd ${work}; set -e; ${entry.command}` }], 1);
  known[name] = { ...figures!, size: entry.bytes?.() ?? figures!.size };
  writeFileSync(file, JSON.stringify(known));
}

process.stdout.write(`${machine()}\n${before} -> ${after}: raw ${(statSync(at('new.img')).size / 1e6).toFixed(0)} MB, image ${(statSync(at('new.img.zst')).size / 1e6).toFixed(0)} MB\n`);
process.stdout.write(`${''.padEnd(38)} ${'MB'.padStart(7)} ${'CPU s'.padStart(7)} ${'MiB'.padStart(6)}  bytes against (target)\n`);
for (const [name, { targets = [] }] of Object.entries(entries)) {
  const figures = known[name];
  if (figures === undefined) continue;
  const against = targets.flatMap(({ peer, ratio }) => (known[peer] === undefined ? [] : [`${(figures.size / known[peer].size).toFixed(2)}x ${peer} (${ratio})`]));
  process.stdout.write(`${figures.name.padEnd(38)} ${(figures.size / 1e6).toFixed(2).padStart(7)} ${figures.cpu.toFixed(1).padStart(7)} ${(figures.memory / 2 ** 20).toFixed(0).padStart(6)}  ${against.join(', ')}\n`);
}
