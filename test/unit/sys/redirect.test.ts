import { expect } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const module = new URL('../../../src/sys/redirect.js', import.meta.url).href;
const program = (path: string): string => `
  import { spawnSync } from 'node:child_process';
  const { redirectOutput } = await import(${JSON.stringify(module)});
  redirectOutput(${JSON.stringify(path)});
  console.log('one');
  console.error('two');
  spawnSync('echo', ['three'], { stdio: 'inherit' });
`;
const run = (path: string): { stdout: string; stderr: string; status: number | null } => spawnSync(process.execPath, ['--input-type=module', '-e', program(path)], { encoding: 'utf8' });

oracleTest(['linux'], 'what a process and its children print goes to the file, for its owner only; a second process appends', () => withTempDir((folder) => {
  const path = `${folder}/log`;
  for (let i = 0; i < 2; i++) expect(run(path)).toMatchObject({ stdout: '', stderr: '', status: 0 });
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n'.repeat(2));
  expect(statSync(path).mode & 0o777).toBe(0o600);
}));

oracleTest(['linux'], 'where no file can be made the output stays where it was', () => withTempDir((folder) => {
  const { status, stderr } = run(`${folder}/missing/log`);
  expect(status).toBe(1);
  expect(stderr).toContain('ENOENT');
}));
