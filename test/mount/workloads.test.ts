/** What people do with a tree, done on a lazy mount of it: nobody notices that its bytes come from a web server. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect } from '@jest/globals';
import { makeFiles, withLazyFixture } from '../helpers/lazy-mount.js';
import { oracleTest } from '../helpers/oracle.js';

const run = promisify(execFile);
/** A shell command in a process of its own: this one is the web server, and must not even wait for a child that changes its directory. */
const shell = async (command: string, cwd: string): Promise<string> => (await run('bash', ['-euo', 'pipefail', '-c', `cd ${cwd}; ${command}`], { maxBuffer: 1 << 26 })).stdout;

const git = 'git -c safe.directory=* -c user.name=n -c user.email=e -c init.defaultBranch=main';

function makeTree(tree: string): void {
  makeFiles(tree);
  mkdirSync(`${tree}/package`);
  writeFileSync(`${tree}/package/__init__.py`, 'from .part import answer\n');
  writeFileSync(`${tree}/package/part.py`, 'import hashlib, os\n\ndef answer():\n    folder = os.path.dirname(os.path.dirname(__file__))\n    return sum(len(open(os.path.join(folder, f"d{i % 5}", f"f{i}"), "rb").read()) for i in range(60))\n');
  writeFileSync(`${tree}/program`, '#!/bin/sh\necho "$#" arguments; cat "${0%/*}/d0/f0" | wc -c\n', { mode: 0o755 });
  execFileSync('bash', ['-ec', `mkdir repo; cd repo; ${git} init -q; for i in 1 2 3; do seq "$i"000 > file$i; ${git} add .; ${git} commit -qm "commit $i"; done; cp -a ../d1 big; ${git} add .; ${git} commit -qm big; ${git} gc -q`], { cwd: tree });
}

describe.each(['block', 'tree'] as const)('%s back-end', (backend) => {
  oracleTest(['loop', 'fuse', 'git', 'python3', 'tar', 'losetup'], 'find, tar, git, python3, cp, programs', () => withLazyFixture({ makeTree }, async ({ folder, tree, mount }) => {
    const mounted = await mount({}, { backend });
    const at = mounted.directory;
    const listing = (type: string, format: string): string => `find . ${type} -printf '${format}\\n' | sort`;
    const same = [listing('', '%P %y %m %U:%G %T@ %l'), listing('-type f', '%P %s %n'), `${git} -C repo log --stat`, `${git} -C repo grep -c 99 HEAD`];
    for (const command of same) expect(await shell(command, at)).toBe(await shell(command, tree));
    await shell(`tar -C ${tree} -cf ${folder}/all.tar . && tar --compare -f ${folder}/all.tar`, at);
    await shell(`${git} -C repo fsck --strict && test -z "$(GIT_OPTIONAL_LOCKS=0 ${git} -C repo status --porcelain)"`, at);
    await shell(`${git} clone -q ${at}/repo ${folder}/clone-${backend} && diff -r --exclude=.git ${tree}/repo ${folder}/clone-${backend}`, folder);
    const answer = 'python3 -B -c "import package; print(package.answer())"';
    expect(await shell(answer, at)).toBe(await shell(answer, tree));
    expect(await shell('./program a b', at)).toBe('2 arguments\n10\n');
    await shell(`cp -a ${at} ${folder}/copy && diff -r --no-dereference --exclude=lost+found ${tree} ${folder}/copy`, folder);
    await mounted.unmount();
  }), 180_000);
});
