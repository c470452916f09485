/**
 * Building against the peers: node dist/test/bench/build.js CORPORA [rounds] [tree...]
 * CORPORA is the folder that shared tools/make-corpora.sh filled; trees by default server-new, many and big.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machine, race, report } from './measure.js';

const [corpora, rounds = '5', ...trees] = process.argv.slice(2);
if (corpora === undefined) throw new Error('usage: build.js CORPORA [rounds] [tree...]');

const out = join(tmpdir(), `thawfs-bench-build-${process.pid}`);
mkdirSync(out, { recursive: true });
process.on('exit', () => rmSync(out, { recursive: true, force: true }));
const thawfs = 'node bin/run.js';
process.stdout.write(`${machine()}\n`);

for (const tree of trees.length > 0 ? trees : ['server-new', 'many', 'big']) {
  const source = join(corpora, tree);
  const at = (name: string): string => join(out, name);
  const script = `size=$(du -s -B4096 --apparent-size ${source} | cut -f1); inodes=$(find ${source} | wc -l); `
    + `mkfs.ext4 -q -F -N $((inodes * 2)) -b 4096 -d ${source} ${at('script.img')} $(( (size + inodes) * 6 / 5 + 20000 )) && `
    + `zstd -q -f -3 -T2 ${at('script.img')} -o ${at('script.img.zst')} && veritysetup format ${at('script.img')} ${at('script.verity')}`;
  const figures = race([
    { name: 'mksquashfs zstd-3 128K', command: `mksquashfs ${source} ${at('a.squashfs')} -comp zstd -Xcompression-level 3 -b 131072 -processors 2 -noappend -no-progress`, outputs: [at('a.squashfs')] },
    { name: 'thawfs --no-check', command: `${thawfs} build ${source} -o ${at('a64.img.zst')} --no-check`, outputs: [at('a64.img.zst')] },
    { name: 'thawfs (checked, the default)', command: `${thawfs} build ${source} -o ${at('c64.img.zst')}`, outputs: [at('c64.img.zst')] },
    { name: 'thawfs --no-check 128K', command: `${thawfs} build ${source} -o ${at('a128.img.zst')} --chunk-size 128K --no-check`, outputs: [at('a128.img.zst')] },
    { name: 'mkfs.ext4 -d + zstd -3 + veritysetup', command: script, outputs: [at('script.img.zst'), at('script.verity')] },
  ], Number(rounds));
  report(tree, figures, 'mksquashfs zstd-3 128K');
  for (const name of ['script.img', 'script.img.zst', 'script.verity']) rmSync(at(name), { force: true });
}
