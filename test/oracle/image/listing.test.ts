/** `ls -R`, `stat`, `cat` and `dump` say of an image what lstat and read say of the directory that it was built from. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, type BigIntStats } from 'node:fs';
import { expect } from '@jest/globals';
import { display, toBytes, type ByteString } from '../../../src/bytes/byte-string.js';
import type { Entry, FileStatus } from '../../../src/image/list.js';
import { Cli } from '../../helpers/cli.js';
import { makeTree } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';

const kinds: readonly [string, (stats: BigIntStats) => boolean][] = [
  ['file', (stats) => stats.isFile()], ['directory', (stats) => stats.isDirectory()], ['symlink', (stats) => stats.isSymbolicLink()],
  ['character-device', (stats) => stats.isCharacterDevice()], ['block-device', (stats) => stats.isBlockDevice()],
  ['fifo', (stats) => stats.isFIFO()], ['socket', (stats) => stats.isSocket()],
];

/** What lstat says, in the words of the listing; inode numbers and the sizes of directories are the file system's own. */
function expected(tree: string, path: ByteString): Omit<Entry, 'inode'> {
  const place = toBytes(`${tree}${path}`);
  const stats = lstatSync(place, { bigint: true });
  const kind = kinds.find(([, is]) => is(stats))![0] as Entry['kind'];
  const seconds = stats.mtimeNs >= 0n ? stats.mtimeNs / 1_000_000_000n : -((-stats.mtimeNs + 999_999_999n) / 1_000_000_000n);
  return {
    path: display(path), kind, permissions: Number(stats.mode & 0o7777n), links: Number(stats.nlink), uid: Number(stats.uid), gid: Number(stats.gid),
    size: kind === 'directory' ? 4096 : Number(stats.size),
    mtimeSeconds: Number(seconds), mtimeNanoseconds: Number(stats.mtimeNs - seconds * 1_000_000_000n),
    ...(kind === 'symlink' ? { target: display(readlinkSync(place, 'latin1')) } : {}),
    ...(kind.endsWith('device') ? { device: { major: Number((stats.rdev >> 8n) & 0xfffn), minor: Number((stats.rdev & 0xffn) | ((stats.rdev >> 12n) & 0xfff00n)) } } : {}),
  };
}

function pathsBelow(tree: string, path: ByteString = ''): ByteString[] {
  return readdirSync(toBytes(`${tree}${path}`), 'latin1').flatMap((name) => {
    const inner = `${path}/${name}`;
    return lstatSync(toBytes(`${tree}${inner}`)).isDirectory() ? [inner, ...pathsBelow(tree, inner)] : [inner];
  });
}

const byPath = (a: { path: string }, b: { path: string }): number => (a.path < b.path ? -1 : 1);

oracleTest(['linux'], 'the commands agree with the directory', async () => {
  const cli = new Cli();
  try {
    const tree = cli.path('tree');
    mkdirSync(tree);
    makeTree(tree);
    const image = [cli.path('a.img.zst'), '--allow-unsigned'];
    await cli.json(['build', tree, '-o', image[0]!]);
    const paths = pathsBelow(tree);

    const listed = (await cli.run(['ls', '-R', ...image, '--json'])).stdout.trim().split('\n').map((line) => JSON.parse(line) as Entry);
    const withoutOwn = listed.map((entry) => ({ ...entry, ...(entry.kind === 'directory' ? { size: 4096 } : {}), inode: undefined }));
    expect(withoutOwn.sort(byPath)).toEqual(paths.map((path) => expected(tree, path)).sort(byPath)); // undefined is absent to toEqual
    const numbers = new Map(listed.map(({ path, inode }) => [path, inode]));
    expect(numbers.get('/links/one')).toBe(numbers.get('/deep/three'));

    for (const path of ['/xattrs/some', '/times/older', '/special/fifo', '/links/slow', '/sparse/hole-first']) {
      const status = await cli.json<FileStatus>(['stat', image[0]!, path, image[1]!]);
      expect(status).toMatchObject(expected(tree, path));
      if (path === '/xattrs/some') expect(status.xattrs).toEqual({ 'user.binary': '00ff0a3d00', 'user.empty': '', 'user.text': '76616c7565' });
      if (path === '/sparse/hole-first') expect(status.allocated).toBeLessThanOrEqual(12 << 10);
    }
    for (const path of ['/sizes/0', '/sizes/100000', '/sparse/hole-between', '/names/new\nline', '/names/été']) {
      const { status, stdoutBytes } = await cli.run(['cat', image[0]!, path, image[1]!]);
      expect([status, stdoutBytes.equals(readFileSync(`${tree}${path}`))]).toEqual([0, true]);
    }

    const dump = (await cli.run(['dump', '--digests', ...image])).stdout.trim().split('\n').map((line) => line.split(' '));
    expect(dump).toHaveLength(1 + paths.length);
    const digests = dump.map((fields) => fields[9]!).filter((field) => field.startsWith('sha256:')).sort();
    const files = new Map(paths.map((path) => [lstatSync(toBytes(`${tree}${path}`)).ino, toBytes(`${tree}${path}`)]));
    const theirs = [...files.values()].filter((path) => lstatSync(path).isFile()).map((path) => `sha256:${createHash('sha256').update(readFileSync(path)).digest('hex')}`);
    expect(digests).toEqual(theirs.sort());
  } finally {
    cli.remove();
  }
});
