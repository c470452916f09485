/** `thawfs run`: a command in an image, as if it were started by itself. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { Cli, finished, program, type FailureJson } from '../helpers/cli.js';
import { tearDown, until, untilNothingLeft } from '../helpers/mounted.js';
import { oracleTest } from '../helpers/oracle.js';

const needs = ['root', 'fuse', 'loop', 'unshare'];
const NOBODY = 65534;
const execute = promisify(execFile);

describe('a command in an image', () => {
  let cli: Cli;
  const run = (...command: string[]): string[] => ['run', 'app.img.zst', '--allow-unsigned', '--cache', 'cache', ...command];
  const environment = (): { readonly env: { readonly TMPDIR: string } } => ({ env: { TMPDIR: cli.path('tmp') } });
  /** With --json before the command: behind it, it would be the command's. */
  const json = async <T>(args: readonly string[], status: number): Promise<T> => {
    const result = await cli.run(args, environment());
    expect(result.status).toBe(status);
    return JSON.parse(result.stdout) as T;
  };
  /** Directories that mounts were made on. */
  const places = (): string[] => readdirSync(cli.path('tmp'));

  beforeAll(async () => {
    cli = new Cli();
    mkdirSync(cli.path('tmp'));
    mkdirSync(cli.path('tree'));
    writeFileSync(cli.path('tree/file'), 'content');
    await cli.json(['build', 'tree', '-o', 'app.img.zst', '--name', 'app']);
  });
  afterAll(() => {
    tearDown(cli.folder);
    cli.remove();
  });

  oracleTest(needs, 'has our standard input and output, its directory in its arguments, and its exit status', async () => {
    const { status, stdout, stderr } = await cli.run(run('--', 'sh', '-c', 'cat - file; test "$PWD" = "$1" && test "$1" = "$THAWFS_ROOT" && exit 7', 'sh', '{}'), { ...environment(), input: Buffer.from('input, ') });
    expect([status, stdout, stderr]).toEqual([7, 'input, content', '']);
    expect((await cli.run(run('--', 'sh', '-c', 'kill -9 $$'), environment())).status).toBe(137);
    expect(places()).toEqual([]);
  }, 120_000);

  oracleTest(needs, 'that does not exist is said so, and nothing is left', async () => {
    expect((await json<FailureJson>(run('--json', '--', '/no/such/program'), 8)).error.code).toBe('PATH_MISSING');
    expect(places()).toEqual([]);
    await untilNothingLeft(cli.folder);
    // What stands before the command is ours.
    expect((await json<FailureJson>(['run', 'app.img.zst', '--allow-unsinged', '--json', '--', 'true'], 2)).error).toMatchObject({ code: 'BAD_ARGUMENT', suggestion: expect.stringContaining('--allow-unsigned') as unknown });
    expect((await json<FailureJson>(['run', 'app.img.zst', '--json', '--', 'true'], 3)).error.code).toBe('SIGNATURE_MISSING');
  }, 120_000);

  oracleTest(needs, 'gets its arguments as they were given; --json is ours only before it', async () => {
    const args = ['b', 'a', 'b', '--json', '', 'a', '-x', '--', 'b c', 'x'];
    const { stdout, status } = await cli.run(run('--', 'printf', '%s\\n', ...args), environment());
    expect([status, stdout]).toEqual([0, `${args.join('\n')}\n`]);
    expect(await json(run('--json', '--', 'false'), 1)).toEqual({ status: 1 });
  }, 120_000);

  oracleTest(needs, 'decides itself what signals do, however many', async () => {
    const child = cli.start(run('--', process.execPath, '-e', `for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => console.log('told')); process.stdin.once('data', () => { console.log('done'); process.exit(); }); console.log('ready')`), environment());
    let output = '';
    child.stdout.on('data', (data: Buffer) => { output += data.toString(); });
    const ended = finished(child);
    await until(() => output.includes('ready'), 'it runs');
    for (let i = 1; i <= 3; i++) {
      child.kill('SIGTERM');
      await until(() => output.split('told').length > i, 'it was told');
    }
    child.stdin.end('x');
    expect(await ended).toMatchObject({ status: 0, stdout: 'ready\ntold\ntold\ntold\ndone\n' });
    expect(places()).toEqual([]);
  }, 120_000);

  oracleTest(needs, 'is interrupted by who interrupts us, where no terminal does it', async () => {
    const child = spawn(process.execPath, [program, ...run('--', process.execPath, '-e', `process.on('SIGINT', () => { console.log('told'); process.exit(5); }); process.stdin.resume(); console.log('ready')`)], {
      cwd: cli.folder, detached: true, stdio: 'pipe', env: { ...process.env, TMPDIR: cli.path('tmp') },
    });
    let output = '';
    child.stdout.on('data', (data: Buffer) => { output += data.toString(); });
    const ended = finished(child);
    await until(() => output.includes('ready'), 'it runs');
    child.kill('SIGINT');
    await until(() => output.includes('told'), 'it was told');
    child.stdin.end();
    expect(await ended).toMatchObject({ status: 5, stdout: 'ready\ntold\n' });
  }, 120_000);

  oracleTest(needs, 'may leave others running, which keep what they have open', async () => {
    // A pipe to us would keep us waiting.
    const { status } = await cli.run(run('--', 'sh', '-c', `exec 3<file; (until [ -e ${cli.path('go')} ]; do sleep 0.1; done; cat <&3 >${cli.path('late')}; echo >${cli.path('over')}) >/dev/null 2>&1 </dev/null &`), environment());
    expect(status).toBe(0);
    writeFileSync(cli.path('go'), '');
    await until(() => existsSync(cli.path('over')), 'it has read');
    expect(readFileSync(cli.path('late'), 'utf8')).toBe('content');
    await untilNothingLeft(cli.folder);
  }, 120_000);

  oracleTest([...needs, 'setpriv'], 'of an ordinary user', async () => {
    const home = cli.path('nobody');
    mkdirSync(home);
    chmodSync(cli.folder, 0o755);
    copyFileSync(cli.path('app.img.zst'), `${home}/app.img.zst`);
    chownSync(home, NOBODY, NOBODY);
    execFileSync('mknod', ['-m', '666', cli.path('fuse'), 'c', '10', '229']);
    const { stdout } = await execute('unshare', ['-m', 'bash', '-ec', `
      mount --bind ${cli.path('fuse')} /dev/fuse; cd ${home}
      echo input, | setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups env -i PATH="$PATH" HOME=${home} TMPDIR=${home} \
        ${process.execPath} ${program} run app.img.zst --allow-unsigned -- sh -c 'cat - file; id -u; exit 3' || echo $?; ls ${home}`]);
    expect(stdout).toBe('input,\ncontent0\n3\napp.img.zst\n');
    await untilNothingLeft(cli.folder);
  }, 120_000);
});
