/** The same tree gives the same raw image, whoever builds it, from what, where and how; with the same codec the same file. */
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { buildImage } from '../../../src/image/build.js';
import { KiB } from '../../../src/units.js';
import { Cli } from '../../helpers/cli.js';
import { codecsHere } from '../../helpers/codecs.js';
import { withMount } from '../../helpers/ext4-judges.js';
import { decompress, sha256Of } from '../../helpers/image-judges.js';
import { makeTree, type MakeTreeOptions } from '../../helpers/make-tree.js';
import { missing, oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

function made(directory: string, options?: MakeTreeOptions): string {
  const path = `${directory}/tree`;
  mkdirSync(path);
  makeTree(path, options);
  twins(path);
  return path;
}

/** Two files of equal content that share their blocks: one has a hole, which is too small to be one in an image, where the other has zeros. */
function twins(path: string): void {
  const content = Buffer.alloc(80 * KiB, 'data');
  content.fill(0, 8 * KiB, 40 * KiB);
  writeFileSync(`${path}/written`, content);
  const fd = openSync(`${path}/with-a-hole`, 'w');
  writeSync(fd, content, 0, 8 * KiB, 0);
  writeSync(fd, content, 40 * KiB, 40 * KiB, 40 * KiB);
  closeSync(fd);
}

/** SHA-256 of the image file, and of what zstd makes of it. */
interface Digests { readonly file: string; readonly raw: string }

function digests(image: string): Digests {
  decompress(image, `${image}.raw`);
  return { file: sha256Of(image), raw: sha256Of(`${image}.raw`) };
}

async function built(source: string, jobs = 2): Promise<Digests> {
  return withTempDir(async (directory) => {
    await buildImage({ source, output: `${directory}/a.img.zst`, jobs });
    return digests(`${directory}/a.img.zst`);
  });
}

describe('the same bytes', () => {
  oracleTest(['zstd', 'cp', 'tar', 'root', 'linux'], 'from the directory, copies of it, and tars of it', () => withTempDir(async (directory) => {
    const tree = made(directory);
    const { mtimeNs } = statSync(`${tree}/special`, { bigint: true });
    for (const name of ['socket', 'fifo-again']) rmSync(`${tree}/special/${name}`); // what GNU tar cannot hold
    execFileSync('touch', ['-d', `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`, `${tree}/special`]);
    const expected = await built(tree);

    execFileSync('cp', ['-a', tree, `${directory}/copy`]);
    expect(await built(`${directory}/copy`)).toEqual(expected);
    execFileSync('cp', ['-a', '--sparse=never', tree, `${directory}/dense`]);
    expect(await built(`${directory}/dense`)).toEqual(expected);

    const tarFlags = ['--format=pax', '--xattrs', '--xattrs-include=*', '--acls'];
    for (const [name, flags] of Object.entries({ 'a.tar': [], 's.tar': ['--sparse', '--sort=name'], 'z.tar.zst': ['--zstd'] })) {
      execFileSync('tar', ['-C', tree, '-cf', `${directory}/${name}`, ...tarFlags, ...flags, '.']);
      expect([name, await built(`${directory}/${name}`)]).toEqual([name, expected]);
    }
  }));

  oracleTest(['zstd', 'loop', 'ls'], 'from its own image, mounted: another file system with another order of names', () => withTempDir(async (directory) => {
    const tree = made(directory);
    const image = `${directory}/a.img.zst`;
    await buildImage({ source: tree, output: image });
    const expected = digests(image);
    await withMount(`${image}.raw`, async (mountPoint) => {
      const namesIn = (top: string): string => execFileSync('ls', ['-U', `${top}/many`], { encoding: 'latin1' });
      expect(namesIn(mountPoint)).not.toBe(namesIn(tree));
      await buildImage({ source: mountPoint, output: `${directory}/b.img.zst`, exclude: ['/lost+found'] });
    });
    expect(digests(`${directory}/b.img.zst`)).toEqual(expected);
  }));

  oracleTest(['zstd'], 'with one thread and two, from another place and by another path', () => withTempDir(async (directory) => {
    const tree = made(directory);
    const expected = await built(tree, 1);
    expect(await built(`${directory}/../${directory.split('/').at(-1)!}/tree/`, 2)).toEqual(expected);
    expect(await built(tree, 3)).toEqual(expected);
  }));

  for (const [name, env] of Object.entries({
    'time zone': { TZ: 'Pacific/Kiritimati' }, 'locale': { LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' }, 'locale C': { LC_ALL: 'C' },
  })) {
    oracleTest(['zstd'], `in another ${name}`, () => fromTheCommandLine(env));
  }

  oracleTest(['zstd', 'root', 'setpriv'], 'by another user, one without a name or a home', async () => {
    const cli = new Cli();
    try {
      const tree = made(cli.folder, { privileged: false });
      for (const closed of ['private', 'odd', 'read-only', 'all-modes']) if (statSync(`${tree}/${closed}`).isDirectory()) chmodSync(`${tree}/${closed}`, 0o755); else chmodSync(`${tree}/${closed}`, 0o644);
      chmodSync(`${tree}/xattrs/dir`, 0o755);
      await cli.json(['build', tree, '-o', 'root.img.zst']);
      chmodSync(cli.folder, 0o755);
      mkdirSync(cli.path('theirs'));
      chownSync(cli.path('theirs'), 12345, 12345);
      const command = ['--reuid=12345', '--regid=12345', '--clear-groups', process.execPath, 'bin/run.js', 'build', tree, '-o', cli.path('theirs/b.img.zst')];
      execFileSync('setpriv', command, { env: { PATH: process.env['PATH'] }, stdio: 'pipe' });
      expect(digests(cli.path('theirs/b.img.zst'))).toEqual(digests(cli.path('root.img.zst')));
    } finally {
      cli.remove();
    }
  });
});

async function fromTheCommandLine(env: Readonly<Record<string, string>>): Promise<void> {
  const cli = new Cli();
  try {
    const tree = made(cli.folder);
    await cli.json(['build', tree, '-o', 'a.img.zst']);
    await cli.json(['build', tree, '-o', 'b.img.zst'], 0, { env });
    expect(digests(cli.path('b.img.zst'))).toEqual(digests(cli.path('a.img.zst')));
  } finally {
    cli.remove();
  }
}

test('the raw image does not depend on the codec', async () => {
  if (missing(['zstd']).length > 0) return;
  const cli = new Cli();
  try {
    const tree = made(cli.folder);
    const found = codecsHere();
    const raws = await Promise.all(found.map(async ([name]) => {
      await cli.json(['build', tree, '-o', `${name}.img.zst`], 0, { env: { THAWFS_CODEC: name } });
      return digests(cli.path(`${name}.img.zst`)).raw;
    }));
    expect(raws.length).toBeGreaterThan(1);
    expect(new Set(raws).size).toBe(1);
  } finally {
    cli.remove();
  }
});
