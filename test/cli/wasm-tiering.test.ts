/** A command that asks a web server spends nothing on optimizing the parser of its answers, and has not to wait for that when it ends. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { buildImage } from '../../src/image/build.js';
import { finished, program } from '../helpers/cli.js';
import { withRangeServer } from '../helpers/range-server.js';
import { withTempDir } from '../helpers/temp-dir.js';

test('WebAssembly that is not hot is not optimized', () => withTempDir(async (folder) => {
  mkdirSync(`${folder}/tree`);
  writeFileSync(`${folder}/tree/hello`, 'hello\n');
  await buildImage({ source: `${folder}/tree`, output: `${folder}/app.img.zst` });
  await withRangeServer(readFileSync(`${folder}/app.img.zst`), {}, async ({ url }) => {
    const { status, stdout } = await finished(spawn(process.execPath, ['--trace-wasm-compilation-times', program, 'cat', url, '/hello', '--allow-unsigned'], { cwd: folder }));
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Compiled function .* using Liftoff/m);
    expect(stdout).not.toMatch(/^Compiled function .* using TurboFan/m);
  });
}));
