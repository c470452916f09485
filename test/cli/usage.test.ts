/** The program as such: help, version, wrong usage, start-up. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { exitMeanings } from '../../src/cli/exit-codes.js';
import { Cli, program, type FailureJson } from '../helpers/cli.js';

let cli: Cli;
beforeAll(() => { cli = new Cli(); });
afterAll(() => cli.remove());

const commands = readdirSync('commands', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts')).map((name) => name.replace(/\.ts$/, '').split('/'));

describe('help', () => {
  test('lists every command and every exit status', async () => {
    const { status, stdout } = await cli.run(['--help']);
    expect(status).toBe(0);
    for (const [name] of commands) expect(stdout).toMatch(new RegExp(`^  ${name!}\\b`, 'm'));
    for (const [code] of exitMeanings) expect(stdout).toMatch(new RegExp(`^  ${code} `, 'm'));
  });

  test.each(commands.map((words) => [words.join(' '), words] as const))('of %s has examples, --json and exit statuses', async (_name, words) => {
    const { status, stdout } = await cli.run([...words, '--help']);
    expect(status).toBe(0);
    for (const heading of ['USAGE', 'DESCRIPTION', 'EXAMPLES', 'EXIT STATUSES']) expect(stdout).toContain(`\n${heading}\n`);
    expect(stdout).toContain('--json');
    expect(stdout).toContain(`$ thawfs ${words.join(' ')}`);
  });

  test('needs no command file: the manifest has it all', () => {
    // A hook that refuses to load them proves it.
    const refuse = 'data:text/javascript,import{register}from"node:module";register("data:text/javascript,export async function load(u,c,n){if(u.includes(\'/dist/commands/\'))throw new Error(\'loaded \'+u);return n(u,c)}")';
    const help = spawnSync(process.execPath, ['--import', refuse, program, 'build', '--help'], { encoding: 'utf8' });
    expect(help.stderr).toBe('');
    expect(help.status).toBe(0);
    expect(spawnSync(process.execPath, ['--import', refuse, program, 'build'], { encoding: 'utf8' }).stderr).toContain('loaded ');
  });
});

test('the README has the exit statuses', () => {
  const readme = readFileSync('README.md', 'utf8');
  for (const [status, meaning] of exitMeanings) expect(readme).toContain(`| ${status} | ${meaning} |`);
});

test.each([
  [['help'], ['--help']], [['-h'], ['--help']], [['help', 'cache', 'gc'], ['cache', 'gc', '--help']], [['mount', '-h'], ['mount', '--help']],
])('thawfs %j is thawfs %j', async (asked, meant) => {
  const [{ status, stdout }, { stdout: help }] = await Promise.all([cli.run(asked), cli.run(meant)]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: help });
});

test('--version', async () => {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  expect((await cli.run(['--version'])).stdout).toMatch(new RegExp(`^thawfs/${version.replaceAll('.', '\\.')} `));
});

describe('wrong usage ends with status 2, with and without --json', () => {
  test.each([
    ['an unknown command', ['frobnicate'], 'there is no command "frobnicate"', 'See thawfs --help'],
    ['an unknown flag', ['doctor', '--frob'], 'Nonexistent flag: --frob', 'See thawfs doctor --help'],
    ['a mistyped command', ['verfy', 'x.img'], 'there is no command "verfy"', 'Did you mean thawfs verify? See thawfs --help'],
    ['a mistyped command of two words', ['key', 'genrate', '--type', 'rsa'], 'there is no command "key genrate"', 'Did you mean thawfs key generate? See thawfs --help'],
    ['a mistyped topic', ['cahce', 'ls'], 'there is no command "cahce"', 'Did you mean thawfs cache ls? See thawfs --help'],
    ['a mistyped flag', ['build', 'x', '-o', 'y', '--levle=3'], 'Nonexistent flag: --levle=3', 'Did you mean --level? See thawfs build --help'],
    ['a mistyped --no- flag', ['build', 'x', '-o', 'y', '--no-chek'], 'Nonexistent flag: --no-chek', 'Did you mean --no-check? See thawfs build --help'],
    ['a missing argument', ['stat', 'x.img'], /Missing 1 required arg/, 'See thawfs stat --help'],
    ['a missing flag', ['build', 'x'], /Missing required flag output/, 'See thawfs build --help'],
    ['one argument too many', ['inspect', 'x', 'y'], 'Unexpected argument: y', 'See thawfs inspect --help'],
    ['not a number', ['build', 'x', '-o', 'y', '--level', 'high'], '--level: Expected an integer but received: high', 'See thawfs build --help'],
    ['a level that is not there', ['build', 'x', '-o', 'y', '--level', '20'], /^--level: Expected an integer less than or equal to 19/, 'See thawfs build --help'],
    ['not a size', ['build', 'x', '-o', 'y', '--size', 'big'], '--size: "big" is not a size', 'Write a size such as 65536, 64K or 1.5G.'],
    ['not a choice', ['key', 'generate', '--type', 'dsa'], 'Expected --type=dsa to be one of: ed25519, ecdsa-p256, ecdsa-p384, rsa', 'See thawfs key generate --help'],
  ] as const)('%s', async (_what, args, message, suggestion) => {
    const text = await cli.run(args);
    expect([text.status, text.stdout]).toEqual([2, '']);
    const { error } = await cli.json<FailureJson>(args, 2);
    expect(error).toMatchObject({ code: 'BAD_ARGUMENT', kind: 'usage', exitCode: 2, suggestion });
    expect(error.message).toMatch(message);
    expect(text.stderr).toContain(error.message);
    expect(text.stderr).toContain(`try: ${suggestion}`);
  });
});

test('start-up costs at most five times the CPU of an empty program', () => {
  const report = 'data:text/javascript,process.on("exit",()=>{const{user,system}=process.cpuUsage();process.stderr.write(String(user+system))})';
  const cpu = (args: readonly string[]): number => {
    const runs = Array.from({ length: 5 }, () => Number(spawnSync(process.execPath, ['--import', report, ...args], { encoding: 'utf8' }).stderr));
    return runs.sort((a, b) => a - b)[2]!;
  };
  const empty = cpu(['-e', '0']);
  expect(empty).toBeGreaterThan(0);
  expect(cpu([program, '--version']) / empty).toBeLessThan(5);
});

describe('an input is not replaced by what is made of it', () => {
  beforeAll(async () => {
    writeFileSync(cli.path('empty.tar'), Buffer.alloc(1024));
    await cli.json(['build', 'empty.tar', '-o', 'empty.img.zst']);
  });

  test.each([
    ['empty.tar', ['build', 'empty.tar']], ['empty.img.zst', ['dump', 'empty.img.zst', '--allow-unsigned']],
    ['empty.img.zst', ['unpack', 'empty.img.zst', '--allow-unsigned']], ['empty.img.zst', ['diff', 'empty.img.zst', 'empty.img.zst', '--allow-unsigned']],
  ])('%s: %j', async (file, command) => {
    const before = readFileSync(cli.path(file));
    expect(await cli.json<FailureJson>([...command, '-o', `./${file}`], 2)).toMatchObject({ error: { code: 'BAD_ARGUMENT' } });
    expect(readFileSync(cli.path(file)).equals(before)).toBe(true);
  });
});
