/** What the trust flags, the trust folders and the ledger accept and refuse. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Cli, program, type FailureJson } from '../helpers/cli.js';
import { oracleTest } from '../helpers/oracle.js';

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  writeFileSync(cli.path('tree/file'), 'content');
  for (const name of ['a', 'b', 'c']) await cli.json(['key', 'generate', '-o', `${name}.pem`]);
  const build = (output: string, ...args: string[]): Promise<unknown> => cli.json(['build', 'tree', '-o', output, '--no-check', ...args]);
  await build('unsigned.img');
  await build('signed.img', '--key', 'a.pem', '--key', 'b.pem', '--sequence', '5', '--name', 'app');
  await build('older.img', '--key', 'a.pem', '--sequence', '4', '--name', 'app');
  await build('other-name.img', '--key', 'a.pem', '--sequence', '1', '--name', 'other');
  await build('expired.img', '--key', 'a.pem', '--expires', '2020-01-01');
  mkdirSync(cli.path('keys'));
  for (const name of ['a', 'b']) copyFileSync(cli.path(`${name}.pub`), cli.path(`keys/${name}.pub`));
  mkdirSync(cli.path('no-keys'));
});
afterAll(() => cli.remove());
beforeEach(() => { for (const name of ['home', 'state']) rmSync(cli.path(name), { recursive: true, force: true }); });

const code = async (args: readonly string[], status: number): Promise<string> => (await cli.json<FailureJson>(args, status)).error.code;

describe('every reading command wants the same', () => {
  const uses = [['verify'], ['ls'], ['stat', '/file'], ['cat', '/file'], ['extract', '-C', 'out'], ['dump'], ['unpack', '-o', 'out.raw']] as const;
  const removeOutputs = (): void => { for (const name of ['out', 'out.raw']) rmSync(cli.path(name), { recursive: true, force: true }); };

  test.each(uses)('%s', async (command, ...rest) => {
    const args = (image: string): string[] => [command, image, ...rest as readonly string[]];
    expect(await code([...args('signed.img'), '--trust', 'c.pub'], 3)).toBe('KEY_UNTRUSTED');
    expect(await code([...args('unsigned.img'), '--trust', 'a.pub'], 3)).toBe('SIGNATURE_MISSING');
    expect(readdirSync(cli.folder).filter((name) => name.startsWith('out'))).toEqual([]);
    expect((await cli.run([...args('unsigned.img'), '--allow-unsigned'])).stderr).not.toContain('nobody vouches');
    removeOutputs();
    expect(await cli.run([...args('signed.img'), '--trust', 'b.pub'])).toMatchObject({ status: 0, stderr: expect.not.stringContaining('nobody vouches') as unknown });
    removeOutputs();
  });

  test.each(uses.slice(1))('%s looks where no key is trusted, and says so', async (command, ...rest) => {
    for (const image of ['signed.img', 'unsigned.img']) {
      expect(await cli.run([command, image, ...rest as readonly string[]])).toMatchObject({ status: 0, stderr: expect.stringContaining('nobody vouches') as unknown });
      removeOutputs();
    }
  });

  test('verify does not: it wants a policy', async () => {
    expect(await code(['verify', 'signed.img'], 3)).toBe('KEY_UNTRUSTED');
    expect(await code(['verify', 'unsigned.img'], 3)).toBe('SIGNATURE_MISSING');
  });

  test('the refusal says what to do', async () => {
    const { stderr } = await cli.run(['verify', 'unsigned.img']);
    expect(stderr).toMatch(/^ {2}code: SIGNATURE_MISSING \(trust, exit status 3\)\n {2}try: .*--allow-unsigned/m);
  });
});

describe('which keys count', () => {
  test('a folder, a repeated flag, a threshold', async () => {
    await cli.json(['verify', 'signed.img', '--trust', 'keys', '--threshold', '2']);
    await cli.json(['verify', 'signed.img', '--trust', 'a.pub', '--trust', 'b.pub', '--threshold', '2']);
    expect(await code(['verify', 'older.img', '--trust', 'keys', '--threshold', '2', '--any-sequence'], 3)).toBe('THRESHOLD_NOT_MET');
    expect(await code(['verify', 'signed.img', '--trust', 'a.pub', '--trust', 'a.pub', '--threshold', '2'], 2)).toBe('BAD_ARGUMENT');
  });

  test('the flag does not swallow the image behind it', async () => {
    expect(await cli.json(['verify', '--trust', 'a.pub', 'signed.img'])).toMatchObject({ location: expect.stringContaining('signed.img') as unknown });
  });

  test('of a folder, what is no file is no key, and what leads nowhere is not passed over', async () => {
    mkdirSync(cli.path('mixed/folder.pem'), { recursive: true });
    execFileSync('mkfifo', [cli.path('mixed/pipe.pub')]);
    copyFileSync(cli.path('a.pub'), cli.path('a-copy'));
    symlinkSync('../a-copy', cli.path('mixed/link.pub'));
    expect((await cli.run(['verify', 'signed.img', '--trust', 'mixed'])).status).toBe(0);
    symlinkSync('nowhere', cli.path('mixed/gone.pub'));
    expect(await code(['verify', 'signed.img', '--trust', 'mixed'], 8)).toBe('PATH_MISSING');
  });

  test('without the flag, those of the user\'s trust folder; with it, only the flag\'s', async () => {
    mkdirSync(cli.path('home/.config/thawfs/trust'), { recursive: true });
    copyFileSync(cli.path('a.pub'), cli.path('home/.config/thawfs/trust/a.pub'));
    await cli.json(['verify', 'signed.img']);
    expect(await code(['verify', 'signed.img', '--trust', 'c.pub'], 3)).toBe('KEY_UNTRUSTED');
  });

  test.each([['a folder without keys', 'no-keys', 2, 'BAD_ARGUMENT'], ['no such file', 'none.pub', 8, 'PATH_MISSING'], ['a private key', 'a.pem', 2, 'BAD_ARGUMENT'], ['no key', 'tree/file', 2, 'BAD_ARGUMENT']] as const)('%s', async (_what, path, status, expected) => {
    expect(await code(['verify', 'signed.img', '--trust', path], status)).toBe(expected);
  });
});

describe('a home that this user may not enter, as sudo and services leave it in HOME', () => {
  oracleTest(['root', 'linux', 'setpriv'], 'the keys in it are not taken for none; with --trust nothing is wrong', () => {
    mkdirSync(cli.path('home'), { mode: 0o700 });
    chmodSync(cli.folder, 0o755);
    const look = (...args: string[]): [number | null, string] => {
      const { status, stderr } = spawnSync('setpriv', ['--reuid', '65534', '--clear-groups', process.execPath, program, 'ls', 'signed.img', ...args], { cwd: cli.folder, encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: cli.path('home') } });
      return [status, stderr];
    };
    expect(look()).toEqual([7, expect.stringMatching(/^Error: trusted keys in \S+home\/\.config\/thawfs\/trust: EACCES.*\n  code: NOT_PERMITTED .*\n  try: Name the keys with --trust/)]);
    expect(look('--trust', 'a.pub', '--any-sequence')).toEqual([0, '']);
  });
});

describe('how old', () => {
  test('expired', async () => expect(await code(['verify', 'expired.img', '--trust', 'a.pub'], 3)).toBe('IMAGE_EXPIRED'));

  test('a lower sequence than accepted before is refused, of the same name only, unless asked for', async () => {
    await cli.json(['verify', 'older.img', '--trust', 'a.pub']);
    await cli.json(['verify', 'signed.img', '--trust', 'a.pub']);
    expect(await code(['verify', 'older.img', '--trust', 'a.pub'], 3)).toBe('SEQUENCE_ROLLBACK');
    expect(await code(['cat', 'older.img', '/file', '--trust', 'a.pub'], 3)).toBe('SEQUENCE_ROLLBACK');
    await cli.json(['verify', 'other-name.img', '--trust', 'a.pub']);
    await cli.json(['verify', 'older.img', '--trust', 'a.pub', '--any-sequence']);
  });

  test('--any-sequence remembers nothing; what was refused neither', async () => {
    await cli.json(['verify', 'signed.img', '--trust', 'a.pub', '--any-sequence']);
    expect(await code(['verify', 'signed.img', '--trust', 'c.pub'], 3)).toBe('KEY_UNTRUSTED');
    await cli.json(['verify', 'older.img', '--trust', 'a.pub']);
  });

  test('--min-sequence', async () => {
    await cli.json(['verify', 'older.img', '--trust', 'a.pub', '--min-sequence', '4']);
    expect(await code(['verify', 'older.img', '--trust', 'a.pub', '--min-sequence', '5'], 3)).toBe('SEQUENCE_ROLLBACK');
  });
});
