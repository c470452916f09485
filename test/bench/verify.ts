/**
 * Checking and starting against the peers: node dist/test/bench/verify.js CORPORA [rounds] [tree...]
 * CORPORA is the folder that shared tools/make-corpora.sh filled.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine, race, report } from './measure.js';

const [corpora, rounds = '5', ...trees] = process.argv.slice(2);
if (corpora === undefined) throw new Error('usage: verify.js CORPORA [rounds] [tree...]');

const out = join(tmpdir(), `thawfs-bench-verify-${process.pid}`);
mkdirSync(out, { recursive: true });
process.on('exit', () => rmSync(out, { recursive: true, force: true }));
process.stdout.write(`${machine()}\n`);

for (const tree of trees.length > 0 ? trees : ['server-new', 'many', 'big']) {
  const image = join(out, `${tree}.img.zst`);
  execFileSync(process.execPath, ['bin/run.js', 'build', join(corpora, tree), '-o', image, '--no-check', '--json']);
  report(`${tree}: is the image whole?`, race([
    { name: 'zstd -dc | sha256sum', command: `zstd -dcq ${image} | sha256sum` },
    { name: 'thawfs verify', command: `node bin/run.js verify --allow-unsigned ${image}` },
  ], Number(rounds)), 'zstd -dc | sha256sum');
}

report('starting', race([
  { name: 'node -e 0', command: 'node -e 0' },
  { name: 'thawfs --version', command: 'node bin/run.js --version' },
  { name: 'thawfs build --help', command: 'node bin/run.js build --help' },
], Math.max(Number(rounds), 9)), 'node -e 0');
