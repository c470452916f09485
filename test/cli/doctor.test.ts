import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cli } from '../helpers/cli.js';

let cli: Cli;
beforeAll(() => { cli = new Cli(); });
afterAll(() => cli.remove());

interface Report { readonly findings: readonly { readonly group: string; readonly name: string; readonly state: string; readonly detail: string; readonly remedy?: string }[] }

test('says ok or missing for every ability, and a remedy for what is missing', async () => {
  const { findings } = await cli.json<Report>(['doctor']);
  expect(new Set(findings.map(({ group }) => group))).toEqual(new Set(['thawfs', 'kernel', 'tools']));
  expect(findings.find(({ name }) => name === 'node')).toMatchObject({ state: 'ok', detail: `version ${process.versions.node}` });
  for (const { state, remedy } of findings) expect([state, remedy !== undefined]).toEqual(state === 'ok' ? ['ok', false] : ['missing', true]);
  const { stdout, status } = await cli.run(['doctor']);
  expect(status).toBe(0);
  for (const { name } of findings) expect(stdout).toMatch(new RegExp(`^(?:ok|missing) +${name.replaceAll(/[/.]/g, '\\$&')} `, 'm'));
});

test('a temporary folder that cannot be written to is a finding, not a failure', async () => {
  const { findings } = await cli.json<Report>(['doctor'], 0, { env: { TMPDIR: '/proc' } });
  expect(findings.find(({ name }) => name === 'xattrs in /proc')).toMatchObject({ state: 'missing', detail: 'the temporary folder cannot be written to' });
});

test('tools: the Debian package that brings each', async () => {
  const { findings } = await cli.json<Report>(['doctor'], 0, { env: { PATH: cli.folder } });
  expect(findings.find(({ name }) => name === 'openssl')).toEqual(expect.objectContaining({ state: 'missing', remedy: 'apt-get install openssl' }));
  expect(findings.find(({ name }) => name === 'user namespaces')).toMatchObject({ state: 'missing' });
});

test('no colours but on a terminal', async () => {
  expect((await cli.run(['doctor'])).stdout).not.toContain('\x1b');
});
