/** `thawfs build`, and what all others make of its image, as a user runs them. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Manifest } from '../../src/format/manifest.js';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { oracleTest } from '../helpers/oracle.js';
import { noise } from '../helpers/make-tree.js';
import { LAYER, layerOf, putBlob, putImage, putIndex } from '../helpers/oci-layout.js';
import { selfSign } from '../helpers/openssl.js';

interface BuildJson { readonly output: string; readonly manifest: Manifest; readonly fileSize: number; readonly signedBy: readonly { readonly keyId: string; readonly scheme: string }[]; readonly checked: boolean }

let cli: Cli;
beforeAll(async () => {
  cli = new Cli();
  mkdirSync(cli.path('tree/etc'), { recursive: true });
  writeFileSync(cli.path('tree/etc/hello'), 'hello\n');
  symlinkSync('hello', cli.path('tree/etc/link'));
  writeFileSync(cli.path('tree/noise'), noise(300_000, 1));
  for (const type of ['ed25519', 'rsa']) await cli.json(['key', 'generate', '--type', type, '-o', `${type}.pem`]);
});
afterAll(() => cli.remove());

const build = (output: string, ...args: string[]): Promise<BuildJson> => cli.json(['build', 'tree', '-o', output, ...args]);

describe('what people see', () => {
  test('a summary on standard output, nothing on standard error when it is quick', async () => {
    const { status, stdout, stderr } = await cli.run(['build', 'tree', '-o', 'seen.img.zst', '--key', 'ed25519.pem']);
    expect([status, stderr]).toEqual([0, '']);
    for (const line of [/^image +seen\.img\.zst$/m, /^root hash +[0-9a-f]{64}$/m, /^signed by +[0-9a-f]{64} \(ed25519\)$/m, /^checked +yes/m]) expect(stdout).toMatch(line);
  });

  test('--json: the report, with the manifest as it was signed', async () => {
    const report = await build('json.img.zst', '--key', 'ed25519.pem', '--name', 'app', '--label', '1.2', '--sequence', '7', '--expires', '2040-01-01');
    expect(report.manifest).toMatchObject({ name: 'app', label: '1.2', sequence: 7, expires: Date.UTC(2040, 0, 1) / 1000 });
    expect(report).toMatchObject({ output: 'json.img.zst', checked: true, fileSize: readFileSync(cli.path('json.img.zst')).length });
  });
});

describe('flags reach the image', () => {
  test('--level, --chunk-size, --salt, --uuid, --no-check', async () => {
    const { manifest, checked } = await build('f1.img.zst', '--level', '9', '--chunk-size', '16K', '--salt', 'c0ffee', '--uuid', '01234567-89ab-cdef-0123-456789abcdef', '--no-check');
    expect(manifest).toMatchObject({ codec: { level: 9 }, index: { chunkSize: 16384 }, verity: { salt: 'c0ffee' }, uuid: '01234567-89ab-cdef-0123-456789abcdef' });
    expect(checked).toBe(false);
  });

  test('--platform, of a layout for several', async () => {
    const layers = ['arm64', 'amd64'].map((architecture) => {
      const layer = putBlob(cli.path('layout'), layerOf(cli.path(`layers/${architecture}`), `touch ${architecture}`), LAYER);
      return { ...putImage(cli.path('layout'), [layer]), platform: { os: 'linux', architecture } };
    });
    putIndex(cli.path('layout'), layers);
    await cli.json(['build', 'oci:layout', '-o', 'p.img.zst', '--platform', 'linux/arm64']);
    expect(await cli.json(['ls', 'p.img.zst', '/', '--allow-unsigned'])).toMatchObject({ path: '/arm64' }); // one line, of its one file
    expect((await cli.json<FailureJson>(['build', 'oci://ghcr.io/example/app:1', '-o', 'p.img.zst'], 2)).error.suggestion).toContain('skopeo copy');
    expect((await cli.json<FailureJson>(['build', 'oci:layout', '-o', 'p.img.zst', '--platform', 'linux/s390x'], 2)).error.suggestion).toContain('--platform');
  });

  test('- is no output: nothing is streamed, and no file of that name surprises', async () => {
    for (const args of [['build', 'tree'], ['dump', 'json.img.zst', '--allow-unsigned'], ['unpack', 'json.img.zst', '--allow-unsigned']]) {
      expect((await cli.json<FailureJson>([...args, '-o', '-'], 2)).error).toMatchObject({ code: 'BAD_ARGUMENT', message: expect.stringContaining('standard output') as unknown });
    }
    expect(existsSync(cli.path('-'))).toBe(false);
    expect((await build('./-', '--no-check')).output).toBe('./-');
  });

  test('an expiry in the past gets a warning', async () => {
    expect((await cli.run(['build', 'tree', '-o', 'past.img.zst', '--expires', '2020-01-01'])).stderr).toContain('expired already');
  });

  test('an image that is written into its own source is not in it', async () => {
    mkdirSync(cli.path('own/sub'), { recursive: true });
    writeFileSync(cli.path('own/sub/file'), 'x');
    await cli.json(['build', 'own', '-o', 'own/sub/a.img.zst']);
    writeFileSync(cli.path('own/sub/.a.img.zst.999999999.partial'), 'left by a killed build');
    const { status, stderr } = await cli.run(['build', 'own', '-o', 'own/sub/a.img.zst']);
    expect([status, stderr]).toEqual([0, expect.stringContaining('lies in the source')]);
    const { lines } = await cli.json<{ lines: string[] }>(['dump', 'own/sub/a.img.zst', '--allow-unsigned']);
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['/', '/sub', '/sub/file']);
  });

  test('--size and --free', async () => {
    expect((await build('f2.img.zst', '--size', '8M')).manifest.raw.fileSystemSize).toBe(8 << 20);
    const [tight, roomy] = [await build('f3.img.zst'), await build('f4.img.zst', '--free', '4M')];
    expect(roomy.manifest.raw.fileSystemSize - tight.manifest.raw.fileSystemSize).toBeGreaterThanOrEqual(4 << 20);
  });

  test('--exclude, --owner, --clamp-mtime with SOURCE_DATE_EPOCH', async () => {
    await cli.json(['build', 'tree', '-o', 'f5.img.zst', '--exclude', 'noise', '--exclude', '*/link', '--owner', '7:8', '--clamp-mtime'], 0, { env: { SOURCE_DATE_EPOCH: '1000000000' } });
    const { lines } = await cli.json<{ lines: string[] }>(['dump', 'f5.img.zst', '--allow-unsigned']);
    expect(lines.map((line) => line.split(' ').slice(0, 6).join(' '))).toEqual([
      '/ directory 0755 7 8 1000000000.000000000', '/etc directory 0755 7 8 1000000000.000000000', '/etc/hello file 0644 7 8 1000000000.000000000',
    ]);
  });

  oracleTest(['root', 'linux'], '--one-file-system leaves mount points empty', async () => {
    mkdirSync(cli.path('mounts/here'), { recursive: true });
    mkdirSync(cli.path('mounts/there'));
    writeFileSync(cli.path('mounts/here/file'), '');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'mode=711', 'tmpfs', cli.path('mounts/there')]);
    try {
      writeFileSync(cli.path('mounts/there/file'), '');
      await cli.json(['build', 'mounts', '-o', 'mounts.img', '--one-file-system']);
      await cli.json(['build', 'mounts', '-o', 'all.img']);
    } finally {
      execFileSync('umount', [cli.path('mounts/there')]);
    }
    const names = async (image: string): Promise<string[]> => (await cli.run(['ls', '-R', image, '--allow-unsigned', '--json'])).stdout.trimEnd().split('\n').map((line) => (JSON.parse(line) as { path: string }).path).sort();
    expect(await names('mounts.img')).toEqual(['/here', '/here/file', '/there']);
    expect(await names('all.img')).toEqual(['/here', '/here/file', '/there', '/there/file']);
    expect((await cli.json<{ permissions: number }>(['stat', 'mounts.img', '/there', '--allow-unsigned'])).permissions.toString(8)).toBe('711');
  });

  test('several keys, and a certificate', async () => {
    selfSign(cli.path('rsa.pem'), cli.path('rsa.crt'), '/CN=signer');
    const { signedBy } = await build('f6.img.zst', '--key', 'ed25519.pem', '--key', 'rsa.pem', '--cert', 'rsa.crt', '--rsa-scheme', 'pkcs1v15');
    expect(signedBy.map(({ scheme }) => scheme)).toEqual(['ed25519', 'rsa-pkcs1v15-sha256']);
    expect(await cli.json(['unpack', 'f6.img.zst', '-o', 'f6.raw', '--sidecars', '--trust', 'ed25519.pub'])).toMatchObject({ files: ['f6.raw', 'f6.raw.verity', 'f6.raw.roothash', 'f6.raw.roothash.p7s'] });
  });
});

describe('sources', () => {
  test('a copied directory and a tar on standard input give the same bytes', async () => {
    cpSync(cli.path('tree'), cli.path('copy'), { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    const clamp = ['--clamp-mtime=1', '--owner', '0:0', '--no-check'];
    await build('from-tree.img.zst', ...clamp);
    await cli.json(['build', 'copy', '-o', 'from-copy.img.zst', ...clamp]);
    const tar = spawnSync('tar', ['-C', cli.path('tree'), '-c', '.'], { maxBuffer: 1 << 26 }).stdout;
    await cli.json(['build', '-', '-o', 'from-tar.img.zst', ...clamp], 0, { input: tar });
    const bytes = readFileSync(cli.path('from-tree.img.zst'));
    expect(readFileSync(cli.path('from-copy.img.zst')).equals(bytes)).toBe(true);
    expect(readFileSync(cli.path('from-tar.img.zst')).equals(bytes)).toBe(true);
  });

  test('dump: the text that dump writes makes the same names and attributes', async () => {
    await build('d1.img.zst');
    await cli.json(['dump', 'd1.img.zst', '--allow-unsigned', '-o', 'd1.dump']);
    await cli.json(['build', 'dump:d1.dump', '-o', 'd2.img.zst']);
    expect((await cli.run(['dump', 'd2.img.zst', '--allow-unsigned'])).stdout).toBe(readFileSync(cli.path('d1.dump'), 'utf8'));
    await cli.json(['build', 'dump:-', '-o', 'd3.img.zst'], 0, { input: readFileSync(cli.path('d1.dump')) });
    expect(readFileSync(cli.path('d3.img.zst')).equals(readFileSync(cli.path('d2.img.zst')))).toBe(true);
  });

  oracleTest(['zstd', 'cmp'], 'ext4: keeps the bytes of the file system', async () => {
    await build('e1.img.zst');
    await cli.json(['unpack', 'e1.img.zst', '-o', 'e1.raw', '--allow-unsigned']);
    const { manifest } = await cli.json<BuildJson>(['build', `ext4:${cli.path('e1.raw')}`, '-o', 'e2.img.zst']);
    expect(spawnSync('sh', ['-c', `zstd -dc e2.img.zst | cmp -n ${manifest.raw.fileSystemSize} - e1.raw`], { cwd: cli.folder }).status).toBe(0);
  });
});

describe('failures leave nothing under the final name, and no temporary file', () => {
  test.each([
    ['a source that is not there', ['none', '-o', 'x.img'], 8, 'PATH_MISSING'],
    ['a folder that is not there', ['tree', '-o', 'none/x.img'], 8, 'PATH_MISSING'],
    ['an output that is a folder', ['tree', '-o', 'tree'], 2, 'BAD_ARGUMENT'],
    ['a chunk size that is no power of two', ['tree', '-o', 'x.img', '--chunk-size', '48K'], 2, 'BAD_ARGUMENT'],
    ['a file system too small', ['tree', '-o', 'x.img', '--size', '64K'], 5, 'LIMIT_EXCEEDED'],
    ['a certificate without a key', ['tree', '-o', 'x.img', '--cert', 'ed25519.pub'], 2, 'BAD_ARGUMENT'],
    ['a key that is none', ['tree', '-o', 'x.img', '--key', 'ed25519.pub'], 2, 'BAD_ARGUMENT'],
    ['an uuid that is none', ['tree', '-o', 'x.img', '--uuid', '7'], 2, 'BAD_ARGUMENT'],
    ['an owner that is none', ['tree', '-o', 'x.img', '--owner', 'root'], 2, 'BAD_ARGUMENT'],
    ['SOURCE_DATE_EPOCH that is not set', ['tree', '-o', 'x.img', '--clamp-mtime'], 2, 'BAD_ARGUMENT'],
    ['a file system of another kind', ['ext4:ed25519.pub', '-o', 'x.img'], 5, undefined],
    ['a dump that is none', ['dump:ed25519.pub', '-o', 'x.img'], 5, 'BAD_FIELD'],
    ['a dump that never ends', ['dump:/dev/zero', '-o', 'x.img'], 5, 'BAD_FIELD'],
  ] as const)('%s', async (_what, args, status, code) => {
    const { error } = await cli.json<FailureJson>(['build', ...args], status);
    if (code !== undefined) expect(error.code).toBe(code);
    const text = await cli.run(['build', ...args]);
    expect([text.status, text.stdout]).toEqual([status, '']);
    expect(text.stderr).toContain(error.code);
    expect(readdirSync(cli.folder).filter((name) => name.startsWith('x.img') || name.endsWith('.partial'))).toEqual([]);
  });
});
