/** The reading commands on an image of every kind of file: from a path, and from a web server. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { decodeHead, encodeHead } from '../../src/chunk/head.js';
import type { Inspection } from '../../src/image/inspect.js';
import type { Entry, FileStatus } from '../../src/image/list.js';
import { Cli, finished, program, type CliResult, type FailureJson } from '../helpers/cli.js';
import { compareTrees } from '../helpers/compare-tree.js';
import { makeTree, noise } from '../helpers/make-tree.js';
import { oracleTest } from '../helpers/oracle.js';
import { withRangeServer, type Interference } from '../helpers/range-server.js';

let cli: Cli;
const trust = ['--trust', 'ci.pub'];
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree'));
  makeTree(cli.path('tree'));
  writeFileSync(cli.path('tree/large'), noise(3_000_000, 5));
  await cli.json(['key', 'generate', '-o', 'ci.pem']);
  await cli.json(['build', 'tree', '-o', 'app.img.zst', '--key', 'ci.pem', '--name', 'app', '--sequence', '3']);
});
afterAll(() => cli.remove());

const read = (command: string, ...args: string[]): Promise<CliResult> => cli.run([command, 'app.img.zst', ...args, ...trust]);

describe('ls', () => {
  test('like ls -l, names in byte order', async () => {
    const { status, stdout } = await read('ls', '/sizes');
    expect(status).toBe(0);
    const names = stdout.trimEnd().split('\n').map((line) => line.split(/ +/).at(-1));
    expect(names).toEqual(readdirSync(cli.path('tree/sizes')).map((name) => `/sizes/${name}`).sort());
    expect(stdout).toMatch(new RegExp(`^-rw-r--r-- +1 +${process.getuid!()} .* 4097  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  /sizes/4097$`, 'm'));
  });

  test('-R --json: a line of JSON for every name', async () => {
    const { stdout } = await read('ls', '-R', '--json');
    const entries = stdout.trimEnd().split('\n').map((line) => JSON.parse(line) as Entry);
    const count = spawnSync('find', [cli.path('tree'), '-mindepth', '1', '-printf', 'x'], { encoding: 'utf8' }).stdout.length;
    expect(entries.filter(({ path }) => !path.startsWith('/lost+found'))).toHaveLength(count);
    const status = statSync(cli.path('tree/setuid'));
    expect(entries.find(({ path }) => path === '/setuid')).toMatchObject({ kind: 'file', permissions: 0o4755, size: status.size, mtimeSeconds: Math.floor(status.mtimeMs / 1000) });
  });

  test('control characters of names do not reach the terminal', async () => {
    expect((await read('ls', '/names')).stdout).toContain('/names/new\\x0aline');
  });

  test('names that are no UTF-8 are given as they are listed', async () => {
    const { stdout } = await read('ls', '/names/d\\xff');
    expect(stdout).toMatch(/ \/names\/d\\xff\/inside$/m);
    expect((await read('cat', '/names/d\\xff/inside')).stdout).toBe('inside');
    expect((await cli.json<FileStatus>(['stat', 'app.img.zst', '/names/d\\xff/inside', ...trust])).size).toBe(6);
    await cli.json(['extract', 'app.img.zst', '/names/d\\xff', '-C', 'raw-name', ...trust]);
    expect(readFileSync(cli.path('raw-name/inside'), 'latin1')).toBe('inside');
  });

  test('a directory is no file: wrong usage, and what to do instead', async () => {
    expect(await cli.json<FailureJson>(['cat', 'app.img.zst', '/sizes', ...trust], 2)).toMatchObject({ error: { code: 'BAD_ARGUMENT', message: '/sizes: is a directory, not a regular file', suggestion: 'List it with thawfs ls.' } });
  });

  test('a reader that leaves early is no failure', async () => {
    const child = spawn('sh', ['-c', `"$0" "$1" ls -R app.img.zst --trust ci.pub | head -n 1; echo done >&2`, process.execPath, program], { cwd: cli.folder, env: { ...process.env, HOME: cli.path('home'), XDG_STATE_HOME: cli.path('state') } });
    const { stdout, stderr } = await finished(child);
    expect([stdout.split('\n').length, stderr]).toEqual([2, 'done\n']);
  });
});

describe('stat', () => {
  test('everything about a file', async () => {
    const status = await cli.json<FileStatus>(['stat', 'app.img.zst', '/xattrs/some', ...trust]);
    expect(status).toMatchObject({ path: '/xattrs/some', kind: 'file', permissions: 0o644, size: 4, xattrs: { 'user.text': '76616c7565', 'user.empty': '' } });
    expect((await read('stat', '/xattrs/some')).stdout).toContain('xattr      user.text = "value"');
  });

  test('extents cover the data of a sparse file', async () => {
    const { extents, size } = await cli.json<FileStatus>(['stat', 'app.img.zst', '/sparse/hole-between', ...trust]);
    expect(size).toBe(1 << 20);
    expect(extents.map(({ logical }) => logical)).toEqual([0, 900 * 1024]);
  });

  test('a symlink itself, or with -L what it leads to', async () => {
    expect(await cli.json(['stat', 'app.img.zst', '/links/dir', ...trust])).toMatchObject({ kind: 'symlink', target: '../deep' });
    expect(await cli.json(['stat', 'app.img.zst', '/links/dir', '-L', ...trust])).toMatchObject({ kind: 'directory' });
  });
});

describe('cat', () => {
  test.each(['sizes/0', 'sizes/60', 'sizes/100000', 'sparse/hole-between', 'large'])('%s', async (name) => {
    const { status, stdoutBytes } = await read('cat', `/${name}`);
    expect(status).toBe(0);
    expect(stdoutBytes.equals(readFileSync(cli.path(`tree/${name}`)))).toBe(true);
  });

  test('--json: base64, whatever its length modulo three', async () => {
    for (const name of ['sizes/0', 'sizes/61', 'sizes/65536', 'large']) {
      const { path, content } = await cli.json<{ path: string; content: string }>(['cat', 'app.img.zst', `/${name}`, ...trust]);
      expect(path).toBe(`/${name}`);
      expect(Buffer.from(content, 'base64').equals(readFileSync(cli.path(`tree/${name}`)))).toBe(true);
    }
  });

  test('a reader that leaves early is no failure', async () => {
    const child = spawn('sh', ['-c', `"$0" "$1" cat app.img.zst /large --trust ci.pub | head -c 10 | wc -c; echo done >&2`, process.execPath, program], { cwd: cli.folder, env: { ...process.env, HOME: cli.path('home'), XDG_STATE_HOME: cli.path('state') } });
    const { stdout, stderr } = await finished(child);
    expect([stdout.trim(), stderr]).toEqual(['10', 'done\n']);
  });

  for (const command of ['cat app.img.zst /large', 'stat app.img.zst /large', 'ls app.img.zst', 'inspect app.img.zst --json']) {
    oracleTest(['linux'], `standard output that cannot take it is a failure: ${command}`, async () => {
      const child = spawn('sh', ['-c', `"$0" "$1" ${command} --trust ci.pub >/dev/full`, process.execPath, program], { cwd: cli.folder, env: { ...process.env, HOME: cli.path('home'), XDG_STATE_HOME: cli.path('state') } });
      const { status, stderr } = await finished(child);
      expect([status, stderr]).toEqual([7, command.endsWith('--json') ? '' : expect.stringContaining('NO_SPACE')]);
    });
  }
});

describe('extract', () => {
  test('everything, equal to the source', async () => {
    expect((await read('extract', '-C', 'out')).status).toBe(0);
    expect(compareTrees(cli.path('tree'), cli.path('out'), { ignore: ['lost+found'], owners: process.getuid?.() === 0 })).toEqual([]);
  });

  test('one folder', async () => {
    expect((await read('extract', '/deep', '-C', 'deep')).status).toBe(0);
    expect(readdirSync(cli.path('deep'))).toEqual(readdirSync(cli.path('tree/deep')));
  });

  test('one file, into a folder that keeps its attributes', async () => {
    mkdirSync(cli.path('one'), { mode: 0o700 });
    expect((await read('extract', '/sizes/4097', '-C', 'one')).status).toBe(0);
    expect(readFileSync(cli.path('one/4097')).equals(readFileSync(cli.path('tree/sizes/4097')))).toBe(true);
    expect(statSync(cli.path('one')).mode & 0o777).toBe(0o700);
  });

  test('what is there is not replaced unless asked for', async () => {
    mkdirSync(cli.path('busy'));
    writeFileSync(cli.path('busy/4097'), 'mine');
    const { error } = await cli.json<FailureJson>(['extract', 'app.img.zst', '/sizes/4097', '-C', 'busy', ...trust], 2);
    expect(error.code).toBe('BAD_ARGUMENT');
    expect(readFileSync(cli.path('busy/4097'), 'utf8')).toBe('mine');
    await cli.json(['extract', 'app.img.zst', '/sizes/4097', '-C', 'busy', '--overwrite', ...trust]);
    expect(statSync(cli.path('busy/4097')).size).toBe(4097);
  });
});

describe('inspect', () => {
  test('needs no trust, and says what is missing', async () => {
    const { status, stdout } = await cli.run(['inspect', 'app.img.zst']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^trusted +no: .*\(KEY_UNTRUSTED\)$/m);
    expect((await read('inspect')).stdout).toMatch(/^trusted +yes$/m);
  });

  test('--json: the manifest as it is, the verity parameters at the top too', async () => {
    const { manifest, verity, signatures, trusted } = await cli.json<Inspection & { verity: Inspection['manifest']['verity'] }>(['inspect', 'app.img.zst', ...trust]);
    expect(manifest).toMatchObject({ name: 'app', sequence: 3 });
    expect(verity).toEqual(manifest.verity);
    expect(verity.rootHash).toMatch(/^[0-9a-f]{64}$/);
    expect([signatures.map(({ state }) => state), trusted]).toEqual([['valid'], true]);
  });

  test('--map: the ranges of the file cover it without gaps', async () => {
    const { map } = await cli.json<Inspection>(['inspect', 'app.img.zst', '--map']);
    const whole = map!.filter(({ space, value }) => space === 'file' && value === undefined).sort((a, b) => a.offset - b.offset);
    let end = 0;
    for (const { offset, length } of whole) {
      expect(offset).toBeLessThanOrEqual(end);
      end = Math.max(end, offset + length);
    }
    expect(end).toBe(statSync(cli.path('app.img.zst')).size);
    expect((await cli.run(['inspect', 'app.img.zst', '--map'])).stdout).toMatch(/^raw +1024 /m);
  });
});

describe('dump and unpack', () => {
  test('dump --digests tells every content', async () => {
    const { lines } = await cli.json<{ lines: string[] }>(['dump', 'app.img.zst', '--digests', ...trust]);
    expect(lines.find((line) => line.startsWith('/sizes/0 '))).toContain('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
  });

  oracleTest(['zstd', 'cmp', 'veritysetup'], 'unpack gives what zstd gives, and dm-verity accepts it', async () => {
    const { rootHash, hashOffset } = await cli.json<{ rootHash: string; hashOffset: number }>(['unpack', 'app.img.zst', '-o', 'app.raw', '--sidecars', ...trust]);
    const shell = async (script: string): Promise<CliResult> => finished(spawn('sh', ['-c', script], { cwd: cli.folder }));
    expect(await shell('zstd -dc app.img.zst | cmp - app.raw')).toMatchObject({ status: 0 });
    expect(await shell(`veritysetup verify app.raw app.raw ${rootHash} --hash-offset=${hashOffset}`)).toMatchObject({ status: 0 });
    expect(await shell('veritysetup verify app.raw app.raw.verity $(cat app.raw.roothash)')).toMatchObject({ status: 0 });
    rmSync(cli.path('app.raw'));
  });
});

describe('from a web server', () => {
  test('every reading command works, with closed ranges only', async () => {
    const bytes = readFileSync(cli.path('app.img.zst'));
    await withRangeServer(bytes, {}, async (server) => {
      for (const args of [['ls', server.url, '/many'], ['stat', server.url, '/links/one'], ['cat', server.url, '/sizes/4096'], ['inspect', server.url], ['dump', server.url], ['verify', server.url]]) {
        const local = await cli.run([...args.map((arg) => arg === server.url ? 'app.img.zst' : arg), ...trust]);
        const remote = await cli.run([...args, ...trust]);
        expect([args[0], remote.status]).toEqual([args[0], 0]);
        if (args[0] !== 'inspect' && args[0] !== 'verify') expect(remote.stdout).toBe(local.stdout);
      }
      for (const { range } of server.seen) expect(range).toMatch(/^bytes=\d+-\d+$/);
    });
  });

  test('extract fetches what it needs, not the image', async () => {
    await withRangeServer(readFileSync(cli.path('app.img.zst')), {}, async (server) => {
      expect((await cli.run(['extract', server.url, '/sizes', '-C', 'remote', ...trust])).status).toBe(0);
      expect(compareTrees(cli.path('tree/sizes'), cli.path('remote'), { owners: process.getuid?.() === 0 })).toEqual([]);
    });
  });
});

describe('what a URL has of credentials and query is shown nowhere', () => {
  const shown = async (args: readonly string[]): Promise<string> => {
    const { stdout, stderr } = await cli.run(args);
    return stdout + stderr;
  };

  test.each([
    ['ls'], ['ls', '--json'], ['cat', '/missing'], ['inspect'], ['inspect', '--json'], ['verify', '--trust', 'ci.pub'], ['verify', '--json', '--allow-unsigned'], ['diff', 'app.img.zst'], ['pull', '-o', 'pulled.img.zst', '--trust', 'ci.pub'],
  ])('%s %s', async (command, ...rest) => {
    await withRangeServer(readFileSync(cli.path('app.img.zst')), {}, async ({ url }) => {
      const text = await shown([command, url.replace('//', '//joe:hidden@').concat('?token=hidden'), ...rest]);
      expect(text).not.toBe('');
      expect(text).not.toContain('hidden');
    });
  });

  test.each([[404, 'missing'], [200, 'no image']])('nor by failures: %i, %s', async (status) => {
    const interfere: Interference = (_request, response) => {
      if (status === 404) response.writeHead(404).end();
      return status === 404;
    };
    await withRangeServer(Buffer.alloc(1000), { interfere }, async ({ url }) => {
      const secret = url.replace('//', '//joe:hidden@').concat('?token=hidden');
      for (const args of [['verify', secret, ...trust], ['ls', secret, '--json'], ['pull', secret, '-o', 'none', ...trust], ['pull', 'app.img.zst', '-o', 'none', '--seed', secret, ...trust], ['build', 'tree', '-o', 'none', '--base', secret, ...trust]]) {
        const text = await shown(args);
        expect([args[0], /code|error/.test(text), text.includes('hidden')]).toEqual([args[0], true, false]);
      }
    });
  });
});

describe('failures, with and without --json', () => {
  const damaged = (name: string, at: (bytes: Buffer) => number): void => {
    const bytes = readFileSync(cli.path('app.img.zst'));
    bytes[at(bytes)]! ^= 1;
    writeFileSync(cli.path(name), bytes);
  };
  /** As an attacker would do it: another sequence, and a checksum that fits. */
  const forge = (name: string): void => {
    const bytes = readFileSync(cli.path('app.img.zst'));
    const head = decodeHead(bytes);
    const manifest = Buffer.from(Buffer.from(head.manifest).toString().replace('"sequence":3', '"sequence":9'));
    encodeHead({ ...head, manifest }).forEach((byte, i) => { bytes[i] = byte; });
    writeFileSync(cli.path(name), bytes);
  };
  beforeAll(() => {
    damaged('manifest.img', (bytes) => bytes.indexOf('"sequence"') + 1);
    forge('forged.img');
    damaged('content.img', (bytes) => bytes.length >> 1);
    writeFileSync(cli.path('short.img'), readFileSync(cli.path('app.img.zst')).subarray(0, 20_000));
    writeFileSync(cli.path('text.img'), 'not an image, but long enough to be read as one\n'.repeat(10));
  });

  test.each([
    ['ls', ['none.img'], 8, 'PATH_MISSING'],
    ['ls', ['app.img.zst', '/none'], 8, 'PATH_MISSING'],
    ['cat', ['app.img.zst', '/sizes'], undefined, undefined],
    ['stat', ['app.img.zst', '/sizes/4096/x'], 8, 'PATH_MISSING'],
    ['extract', ['app.img.zst', '/none', '-C', 'nothing'], 8, 'PATH_MISSING'],
    ['verify', ['text.img'], 5, 'BAD_MAGIC'],
    ['verify', ['short.img'], 5, 'TRUNCATED'],
    ['verify', ['manifest.img'], 5, 'CHECKSUM_MISMATCH'],
    ['verify', ['forged.img'], 3, 'SIGNATURE_INVALID'],
    ['verify', ['content.img'], 3, undefined],
    ['unpack', ['content.img', '-o', 'content.raw'], 3, undefined],
    ['inspect', ['ftp://example.org/x'], 2, 'BAD_ARGUMENT'],
    ['inspect', ['http://127.0.0.1:1/x'], 4, 'SOURCE_UNREACHABLE'],
    ['verify', ['app.img.zst', '--threshold', '2'], 2, 'BAD_ARGUMENT'],
  ] as const)('%s %j', async (command, args, status, code) => {
    const text = await cli.run([command, ...args, ...trust]);
    const json = await cli.run([command, ...args, ...trust, '--json']);
    const { error } = JSON.parse(json.stdout) as FailureJson;
    expect(text.status).not.toBe(0);
    expect(text.status).not.toBe(1);
    expect([json.status, error.exitCode]).toEqual([text.status, text.status]);
    expect(text.stderr).toContain(`code: ${error.code}`);
    expect(json.stderr).toBe('');
    if (status !== undefined) expect(text.status).toBe(status);
    if (code !== undefined) expect(error.code).toBe(code);
    expect(readdirSync(cli.folder).filter((name) => name.endsWith('.partial') || name === 'content.raw')).toEqual([]);
  });

  test('a server that has no such object', async () => {
    await withRangeServer(Buffer.alloc(0), { interfere: (_request, response) => { response.writeHead(404).end(); return true; } }, async ({ url }) => {
      expect(await cli.json<FailureJson>(['verify', url, ...trust], 8)).toMatchObject({ error: { code: 'OBJECT_MISSING' } });
    });
  });
});
