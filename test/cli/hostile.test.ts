/** What strangers hand to `build` and `extract`: archives, file systems and target directories that mean harm. */
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Cli, type FailureJson } from '../helpers/cli.js';
import { makeImage, run } from '../helpers/ext4-image.js';
import { noise } from '../helpers/make-tree.js';
import { oracleTest } from '../helpers/oracle.js';
import { archive, entry, pax } from '../helpers/tar-writer.js';

let cli: Cli;
beforeAll(() => {
  cli = new Cli();
  mkdirSync(cli.path('victim'));
  writeFileSync(cli.path('victim/keep'), 'kept');
});
afterEach(() => {
  expect(readdirSync(cli.path('victim'))).toEqual(['keep']);
  expect(readFileSync(cli.path('victim/keep'), 'utf8')).toBe('kept');
  for (const name of ['out', 'app.img', 'app.tar']) rmSync(cli.path(name), { recursive: true, force: true });
});
afterAll(() => cli.remove());

const code = async (status: number, ...args: string[]): Promise<string> => (await cli.json<FailureJson>(args, status)).error.code;
const victim = (): string => cli.path('victim');

describe('archives', () => {
  const link = (linkName: string): Buffer => entry({ name: 'l', type: '2', linkName });

  test.each<[string, () => Buffer[], string]>([
    ['a name with ..', () => [entry({ name: '../victim/pwned' })], 'BAD_FIELD'],
    ['a name with .. inside', () => [entry({ name: 'a/../../victim/pwned' })], 'BAD_FIELD'],
    ['a file through a symlink', () => [link(victim()), entry({ name: 'l/pwned' })], 'BAD_FIELD'],
    ['a hard link out of it', () => [entry({ name: 'h', type: '1', linkName: '../victim/keep' })], 'BAD_FIELD'],
    ['a hard link to itself', () => [entry({ name: 'h', type: '1', linkName: 'h' })], 'BAD_FIELD'],
    ['a size of 8 GiB in 1 KiB', () => [entry({ name: 'f', data: 'x', size: 0o77777777777 })], 'TRUNCATED'],
    ['a pax header of 8 GiB', () => [entry({ name: 'p', type: 'x', data: 'x', size: 0o77777777777 })], 'LIMIT_EXCEEDED'],
    ['a pax size beyond all numbers', () => [pax({ size: '9'.repeat(30) }), entry({})], 'BAD_FIELD'],
  ])('%s is refused', async (_what, members, expected) => {
    writeFileSync(cli.path('app.tar'), archive(...members()));
    expect(await code(5, 'build', 'app.tar', '-o', 'app.img')).toBe(expected);
    expect(existsSync(cli.path('app.img'))).toBe(false);
  });

  test.each<[string, () => Buffer[], () => void]>([
    ['an absolute name', () => [entry({ name: `/tmp/abs`, data: 'x' })], () => expect(readFileSync(cli.path('out/tmp/abs'), 'utf8')).toBe('x')],
    ['a symlink, then a file of its name', () => [link(`${victim()}/pwned`), entry({ name: 'l', data: 'x' })], () => expect(readFileSync(cli.path('out/l'), 'utf8')).toBe('x')],
    ['a symlink, then a directory of its name', () => [link(victim()), entry({ name: 'l', type: '5' }), entry({ name: 'l/inner' })], () => expect(readdirSync(cli.path('out/l'))).toEqual(['inner'])],
    ['a hard link to a symlink', () => [link(`${victim()}/keep`), entry({ name: 'h', type: '1', linkName: 'l' })], () => expect(readlinkSync(cli.path('out/h'))).toBe(`${victim()}/keep`)],
    ['a file 1000 times', () => Array.from({ length: 1000 }, (_, i) => entry({ name: 'f', data: String(i) })), () => expect(readFileSync(cli.path('out/f'), 'utf8')).toBe('999')],
  ])('%s stays inside', async (_what, members, check) => {
    writeFileSync(cli.path('app.tar'), archive(...members()));
    await cli.json(['build', 'app.tar', '-o', 'app.img']);
    await cli.json(['extract', 'app.img', '-C', 'out', '--allow-unsigned']);
    check();
  });
});

test('symlinks that wait in the target directory are not followed, with --overwrite neither', async () => {
  mkdirSync(cli.path('tree/dir'), { recursive: true });
  for (const name of ['tree/dir/keep', 'tree/keep']) writeFileSync(cli.path(name), 'from the image');
  await cli.json(['build', 'tree', '-o', 'app.img']);
  mkdirSync(cli.path('out'));
  symlinkSync(victim(), cli.path('out/dir'));
  symlinkSync(`${victim()}/keep`, cli.path('out/keep'));
  expect(await code(2, 'extract', 'app.img', '-C', 'out', '--allow-unsigned')).toBe('BAD_ARGUMENT');
  await cli.json(['extract', 'app.img', '-C', 'out', '--overwrite', '--allow-unsigned']);
  for (const name of ['out/dir/keep', 'out/keep']) expect(readFileSync(cli.path(name), 'utf8')).toBe('from the image');
});

describe('file systems', () => {
  const crafted = async (...commands: string[]): Promise<void> => {
    mkdirSync(cli.path('source/dir'), { recursive: true });
    writeFileSync(cli.path('source/file'), 'x'.repeat(50_000));
    makeImage(cli.path('fs.ext4'), '-t ext4 -b 4096', cli.path('source'), 16 << 20);
    for (const command of commands) run('debugfs', '-w', '-R', command, cli.path('fs.ext4'));
    await cli.json(['build', 'ext4:fs.ext4', '-o', 'app.img', '--no-check']);
  };

  oracleTest(['mkfs.ext4', 'debugfs'], 'a directory inside itself: listing it ends', async () => {
    await crafted('ln / /dir/loop');
    expect(await code(3, 'verify', 'app.img', '--allow-unsigned')).toBe('STRUCTURE_INVALID');
    const { status, stderr } = await cli.run(['ls', '-R', 'app.img', '--allow-unsigned']);
    expect([status, stderr]).toEqual([5, expect.stringContaining('code: BAD_FIELD')]);
    expect(await code(5, 'extract', 'app.img', '-C', 'out', '--allow-unsigned')).toBe('BAD_FIELD');
  });

  for (const [what, command, expected] of [
    ['a size of 2^63', 'sif /file size 0x7fffffffffffffff', 'BAD_FIELD'], ['an extent beyond the end', 'sif /file block[5] 0xffffff', 'BAD_FIELD'],
    ['a directory that is a file', 'sif /dir mode 0100644', 'BAD_FIELD'], ['attributes beyond the end', 'sif /file file_acl 0xfffff', 'BAD_FIELD'],
  ] as const) {
    oracleTest(['mkfs.ext4', 'debugfs'], `${what} is refused`, async () => {
      await crafted(command);
      expect(await code(3, 'verify', 'app.img', '--allow-unsigned')).toBe('STRUCTURE_INVALID');
      expect(await code(5, 'extract', 'app.img', '-C', 'out', '--allow-unsigned')).toBe(expected);
    });
  }
});

oracleTest(['root', 'linux'], 'extract and unpack onto a full disk: no file that looks whole and is not', async () => {
  mkdirSync(cli.path('large'));
  for (const name of ['one', 'two']) writeFileSync(cli.path(`large/${name}`), noise(6_000_000, name.length + name.charCodeAt(0)));
  await cli.json(['build', 'large', '-o', 'large.img', '--no-check']);
  mkdirSync(cli.path('full'));
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', cli.path('full')]).status).toBe(0);
  try {
    expect(await code(7, 'unpack', 'large.img', '-o', 'full/raw', '--allow-unsigned')).toBe('NO_SPACE');
    expect(readdirSync(cli.path('full'))).toEqual([]);
    expect(await code(7, 'extract', 'large.img', '-C', 'full', '--allow-unsigned')).toBe('NO_SPACE');
    expect(readdirSync(cli.path('full'))).toEqual([]);
  } finally {
    spawnSync('umount', [cli.path('full')]);
  }
});
