/**
 * Patches against the peers: node dist/test/bench/update-patch.js OLD NEW [rounds] [bsdiff]
 * OLD and NEW are directories, for example server-old and server-new of shared tools/make-corpora.sh. bsdiff takes many minutes and GiB, so it must be asked for.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine, race, report } from './measure.js';

const [before, after, rounds = '3', ...more] = process.argv.slice(2);
if (before === undefined || after === undefined) throw new Error('usage: update-patch.js OLD NEW [rounds] [bsdiff]');

const out = join(tmpdir(), `thawfs-bench-patch-${process.pid}`);
mkdirSync(out, { recursive: true });
process.on('exit', () => rmSync(out, { recursive: true, force: true }));
const at = (name: string): string => join(out, name);
process.stdout.write(`${machine()}\n`);

for (const [name, source] of [['old', before], ['new', after]] as const) {
  execFileSync(process.execPath, ['bin/run.js', 'build', source, '-o', at(`${name}.img.zst`), '--name', 'bench', '--no-check', '--json']);
  execFileSync('bash', ['-c', `zstd -dcq ${at(`${name}.img.zst`)} > ${at(`${name}.img`)} && tar --sort=name -C ${source} -cf ${at(`${name}.tar`)} .`]);
}
const thawfs = 'node bin/run.js';
const make = (level: number): string => `${thawfs} diff ${at('old.img.zst')} ${at('new.img.zst')} -o ${at(`p${level}`)} --level ${level} --allow-unsigned --json`;
const patchFrom = (level: number): string => `zstd -q -f -${level} --long=31 --patch-from=${at('old.img')} ${at('new.img')} -o ${at(`z${level}`)}`;
const peer = 'xdelta3 -9 -S djw -B 512M';
report('making', race([
  { name: peer, command: `xdelta3 -e -f -9 -S djw -B 536870912 -s ${at('old.img')} ${at('new.img')} ${at('x')}`, outputs: [at('x')] },
  { name: 'thawfs diff -o', command: make(19), outputs: [at('p19')] },
  { name: 'thawfs diff -o --level 3', command: make(3), outputs: [at('p3')] },
  { name: 'zstd -3 --patch-from', command: patchFrom(3), outputs: [at('z3')] },
  { name: 'zstd -19 --patch-from', command: patchFrom(19), outputs: [at('z19')] },
  { name: 'rdiff + zstd -19', command: `rdiff -f signature ${at('old.img')} ${at('sig')} && rdiff -f delta ${at('sig')} ${at('new.img')} ${at('delta')} && zstd -q -f -19 ${at('delta')} -o ${at('r')}`, outputs: [at('r')] },
  ...(more.includes('bsdiff') ? [{ name: 'bsdiff of the tars', command: `bsdiff ${at('old.tar')} ${at('new.tar')} ${at('b')}`, outputs: [at('b')] }] : []),
], Number(rounds)), peer);

const apply = (base: string, output: string, flags = ''): string => `${thawfs} patch ${at(base)} ${at('p19')} -o ${at(output)} ${flags} --allow-unsigned --json && cmp ${at(output)} ${at(output.replace('made', 'new'))}`;
const reference = 'zstd -dc of the new image';
report('applying', race([
  { name: reference, command: `zstd -dcq ${at('new.img.zst')} > /dev/null` },
  { name: 'thawfs patch', command: apply('old.img.zst', 'made.img.zst'), outputs: [at('made.img.zst')] },
  { name: 'thawfs patch --raw', command: apply('old.img', 'made.img', '--raw'), outputs: [at('made.img')] },
  { name: 'thawfs patch --in-place', command: `cp ${at('old.img')} ${at('device')} && ${thawfs} patch ${at('device')} ${at('p19')} --in-place --allow-unsigned --json && cmp ${at('device')} ${at('new.img')}`, outputs: [at('device')] },
  { name: 'xdelta3 -d', command: `xdelta3 -d -f -B 536870912 -s ${at('old.img')} ${at('x')} ${at('made.x')}`, outputs: [at('made.x')] },
], Number(rounds)), reference);
