/**
 * What an update costs to fetch, ours against the peers: node dist/test/bench/update-adaptive.js OLD NEW
 * OLD and NEW are directories, for example server-old and server-new of shared tools/make-corpora.sh. Bytes only, so one run is enough.
 *
 * Peers: casync (chunks of the default size, zstd) and zchunk between raw images that were laid out independently, which suits them best; rdiff
 * needs the old signature at the server. Each line says what has to be prepared for a pair of versions.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MakePatchReport } from '../../src/update/make-patch.js';
import type { PullReport } from '../../src/update/pull.js';
import { machine } from './measure.js';

const [before, after] = process.argv.slice(2);
if (before === undefined || after === undefined) throw new Error('usage: update-adaptive.js OLD NEW');

const out = join(tmpdir(), `thawfs-bench-adaptive-${process.pid}`);
mkdirSync(out, { recursive: true });
process.on('exit', () => rmSync(out, { recursive: true, force: true }));
const at = (name: string): string => join(out, name);
const shell = (command: string): string => execFileSync('bash', ['-ec', command], { cwd: out, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const thawfs = (...args: string[]): unknown => JSON.parse(execFileSync(process.execPath, ['bin/run.js', ...args, '--json'], { encoding: 'utf8' }));

const unsigned = '--allow-unsigned';
thawfs('build', before, '-o', at('old.img.zst'), '--no-check');
thawfs('build', after, '-o', at('new.img.zst'), '--no-check');
thawfs('build', after, '-o', at('based.img.zst'), '--base', at('old.img.zst'), '--no-check', unsigned);
shell('zstd -dcq old.img.zst > old.img; zstd -dcq new.img.zst > new.img');

/** Bytes of the plan, index and head included. */
function pull(image: string): number {
  const { cost } = thawfs('pull', at(image), '-o', at('got'), '--seed', at('old.img.zst'), '--dry-run', unsigned) as PullReport;
  return cost.fetch + cost.opened;
}

function sizeOf(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(entry.parentPath, entry.name)).size : 0), 0);
}

function casync(): number {
  shell('casync make --store=store old.caibx old.img');
  const had = sizeOf(at('store'));
  shell('casync make --store=store new.caibx new.img');
  return sizeOf(at('store')) - had + statSync(at('new.caibx')).size;
}

function zchunk(): number {
  shell('zck -o old.zck old.img; zck -o new.zck new.img');
  const told = /Would download (\d+) of/.exec(shell('zck_delta_size old.zck new.zck'));
  if (told === null) throw new Error('zck_delta_size has said something else');
  return Number(told[1]);
}

function rdiff(): number {
  shell('rdiff signature old.img sig; rdiff delta sig new.img delta; zstd -q -19 delta -o delta.zst');
  return statSync(at('delta.zst')).size;
}

function patch(level: number): number {
  const { patch: path } = thawfs('diff', at('old.img.zst'), at('based.img.zst'), '--publish', '--level', String(level), unsigned) as MakePatchReport;
  const fetched = pull('based.img.zst');
  rmSync(path);
  return fetched;
}

const reference = casync();
const rows: [string, number][] = [
  ['casync, raw images', reference], ['zchunk, raw images', zchunk()], ['rdiff, zstd -19 (a file for the pair)', rdiff()],
  ['thawfs pull, independent layouts', pull('new.img.zst')], ['thawfs pull, --base', pull('based.img.zst')],
  ['thawfs pull, patch published (level 19)', patch(19)], ['thawfs pull, patch published (level 3)', patch(3)],
];
process.stdout.write(`${machine()}\n${before} -> ${after}, image ${(statSync(at('new.img.zst')).size / 1e6).toFixed(1)} MB\n`);
for (const [name, bytes] of rows) process.stdout.write(`${name.padEnd(42)} ${(bytes / 1e6).toFixed(1).padStart(7)} MB  ${(bytes / reference).toFixed(2)}x casync  ${(bytes / rows[1]![1]).toFixed(2)}x zchunk\n`);
