/** Programs that use the library end by themselves when they are done: no thread, socket, timer or process of ours keeps them. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { afterAll, beforeAll, expect } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { finished } from '../helpers/cli.js';
import { libraryUser, tasks } from '../helpers/library-user.js';
import { noise } from '../helpers/make-tree.js';
import { tearDown } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer } from '../helpers/range-server.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(`${tmpdir()}/thawfs-test-`);
  mkdirSync(`${folder}/tree`);
  for (const [sequence, name] of ['old', 'new'].entries()) {
    writeFileSync(`${folder}/tree/${name}`, noise(500_000, sequence));
    await buildImage({ source: `${folder}/tree`, output: `${folder}/${name}.img.zst`, name: basename(folder), sequence });
  }
});
afterAll(() => {
  tearDown(folder);
  rmSync(folder, { recursive: true, force: true });
});

for (const task of Object.keys(tasks)) {
  oracleTest(task.startsWith('mounts') ? ['fuse', 'loop'] : [], `a program that ${task} ends`, () => withRangeServer(readFileSync(`${folder}/new.img.zst`), {}, async ({ url }) => {
    const own = `${folder}/${task.replaceAll(' ', '-')}`;
    mkdirSync(own);
    const program = spawn(process.execPath, [libraryUser, task, own, url]);
    expect(await finished(program)).toMatchObject({ status: 0, stderr: '' });
  }), 180_000);
}
