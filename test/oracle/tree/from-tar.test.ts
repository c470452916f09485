/** Archives made by GNU tar and Python of one tree give the model that the directory gives. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { describe, expect } from '@jest/globals';
import { walk } from '../../../src/model/tree.js';
import type { DirectoryNode } from '../../../src/model/tree.js';
import { scanDirectory } from '../../../src/tree/from-directory.js';
import { readTar } from '../../../src/tree/from-tar.js';
import { makeTree } from '../../helpers/make-tree.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { modelOf } from '../../helpers/tree-model.js';

/** A tree without what GNU tar cannot hold: sockets, and links between names of what is no file. */
function made(directory: string): string {
  const path = `${directory}/tree`;
  mkdirSync(path);
  makeTree(path);
  const { mtimeNs } = statSync(`${path}/special`, { bigint: true });
  for (const name of ['socket', 'fifo-again']) rmSync(`${path}/special/${name}`);
  execFileSync('touch', ['-d', `@${mtimeNs / 1_000_000_000n}.${String(mtimeNs % 1_000_000_000n).padStart(9, '0')}`, `${path}/special`]);
  return path;
}

const paxFlags = ['--format=pax', '--xattrs', '--xattrs-include=*', '--acls', '--numeric-owner'];

async function modelOfTar(input: string, spoolDirectory: string): Promise<string> {
  const source = await readTar(input, { spoolDirectory });
  try {
    return modelOf(source.root);
  } finally {
    source.dispose();
  }
}

/** What formats without pax headers lose. */
function withoutDetails(root: DirectoryNode): string {
  for (const { node } of walk(root)) {
    node.mtimeNanoseconds = 0;
    node.xattrs = [];
  }
  return modelOf(root);
}

describe('readTar', () => {
  for (const [name, flags] of Object.entries<string[]>({
    'pax': [], 'pax, sparse 1.0': ['--sparse'], 'pax, sparse 0.1': ['--sparse', '--sparse-version=0.1'], 'pax, sparse 0.0': ['--sparse', '--sparse-version=0.0'],
    'pax, sparse found by zeros': ['--sparse', '--hole-detection=raw'], 'pax, sorted backwards': ['--sort=name', '--no-recursion', '--null', '-T'],
  })) {
    oracleTest(['tar', 'linux'], `${name}: the model of the directory`, () => withTempDir(async (directory) => {
      const path = made(directory);
      const backwards = flags.includes('-T');
      if (backwards) {
        const paths = [...walk(scanDirectory(path).root)].map(({ path: inner }) => `./${inner}`).reverse();
        writeFileSync(`${directory}/list`, Buffer.from(paths.join('\0'), 'latin1'));
      }
      execFileSync('tar', ['-C', path, '-cf', `${directory}/a.tar`, ...paxFlags, ...flags, ...(backwards ? [`${directory}/list`] : ['.'])]);
      expect(await modelOfTar(`${directory}/a.tar`, directory)).toBe(modelOf(scanDirectory(path).root));
    }));
  }

  for (const [name, flags] of Object.entries({ 'gnu': ['--format=gnu'], 'gnu, sparse': ['--format=gnu', '--sparse'] })) {
    oracleTest(['tar', 'linux'], `${name}: the same but for nanoseconds and attributes`, () => withTempDir(async (directory) => {
      const path = made(directory);
      execFileSync('tar', ['-C', path, '-cf', `${directory}/a.tar`, ...flags, '.']);
      const source = await readTar(`${directory}/a.tar`);
      expect(withoutDetails(source.root)).toBe(withoutDetails(scanDirectory(path).root));
    }));
  }

  oracleTest(['tar', 'gzip', 'linux'], 'compressed with gzip, and as a stream, through a temporary file that has no name', () => withTempDir(async (directory) => {
    const path = made(directory);
    const spool = `${directory}/spool`;
    mkdirSync(spool);
    execFileSync('tar', ['-C', path, '-czf', `${directory}/misnamed.zip`, ...paxFlags, '.']);
    const expected = modelOf(scanDirectory(path).root);
    expect(await modelOfTar(`${directory}/misnamed.zip`, spool)).toBe(expected);
    const source = await readTar(spawn('tar', ['-C', path, '-c', ...paxFlags, '.'], { stdio: ['ignore', 'pipe', 'inherit'] }).stdout, { spoolDirectory: spool });
    expect(modelOf(source.root)).toBe(expected);
    expect(readdirSync(spool)).toEqual([]);
    source.dispose();
  }));

  oracleTest(['tar', 'setfacl', 'linux'], 'ACL entries with names are given the ids of this machine, with a warning', () => withTempDir(async (directory) => {
    mkdirSync(`${directory}/tree`);
    writeFileSync(`${directory}/tree/f`, '');
    execFileSync('setfacl', ['-m', 'u:daemon:r,g:nogroup:rw', `${directory}/tree/f`]);
    execFileSync('tar', ['-C', `${directory}/tree`, '-cf', `${directory}/a.tar`, '--format=pax', '--acls', '.']);
    const source = await readTar(`${directory}/a.tar`);
    const expected = modelOf(scanDirectory(`${directory}/tree`).root);
    expect(modelOf(source.root)).toBe(expected);
    expect(source.warnings.join(' ')).toMatch(/daemon.*--xattrs-include/);

    // What the warning advises.
    execFileSync('tar', ['-C', `${directory}/tree`, '-cf', `${directory}/b.tar`, ...paxFlags, '.']);
    const better = await readTar(`${directory}/b.tar`);
    expect([modelOf(better.root), better.warnings]).toEqual([expected, []]);
  }));

  oracleTest(['tar', 'linux'], 'a sparse file of 6 GiB takes no time and no room', () => withTempDir(async (directory) => {
    mkdirSync(`${directory}/tree`);
    writeFileSync(`${directory}/tree/f`, 'x'.repeat(10_000));
    truncateSync(`${directory}/tree/f`, 6 * 2 ** 30);
    execFileSync('tar', ['-C', `${directory}/tree`, '-cSf', `${directory}/a.tar`, '--format=pax', '.']);
    const { root } = await readTar(`${directory}/a.tar`);
    expect(root.children.get('f')).toMatchObject({ content: { size: 6 * 2 ** 30, pieces: [{ offset: 0, length: 12288 }] } });
  }));

  oracleTest(['python3', 'linux'], 'archives of Python: pax with text that is not ASCII, ustar with prefixes', () => withTempDir(async (directory) => {
    const script = `
import tarfile, io, sys
for fmt, name in ((tarfile.PAX_FORMAT, 'pax'), (tarfile.GNU_FORMAT, 'gnu'), (tarfile.USTAR_FORMAT, 'ustar')):
    with tarfile.open(f'{sys.argv[1]}/{name}.tar', 'w', format=fmt) as t:
        for path in ('d' * 60 + '/' + 'e' * 80 + '/' + 'f' * 40, 'caf\\u00e9' if name != 'ustar' else 'cafe'):
            i = tarfile.TarInfo(path); i.size = 5; i.mtime = 1.5 if name == 'pax' else 1; i.uid = 3000000 if name != 'ustar' else 7
            t.addfile(i, io.BytesIO(b'hello'))
`;
    execFileSync('python3', ['-c', script, directory]);
    for (const [format, uid, nanoseconds, last] of [['pax', 3_000_000, 500_000_000, 'caf\xc3\xa9'], ['gnu', 3_000_000, 0, 'caf\xc3\xa9'], ['ustar', 7, 0, 'cafe']] as const) {
      const nodes = [...walk((await readTar(`${directory}/${format}.tar`)).root)].filter(({ node }) => node.kind === 'file');
      expect(nodes.map(({ path }) => path)).toEqual([last, `${'d'.repeat(60)}/${'e'.repeat(80)}/${'f'.repeat(40)}`]);
      expect(nodes[0]!.node).toMatchObject({ uid, mtimeSeconds: 1, mtimeNanoseconds: nanoseconds, content: { size: 5 } });
    }
  }));
});
