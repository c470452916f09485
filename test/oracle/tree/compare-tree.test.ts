/** The judge is judged: a copy by cp -a is equal, and each single change to it is reported. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, closeSync, linkSync, openSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { compareTrees } from '../../helpers/compare-tree.js';
import { makeTree } from '../../helpers/make-tree.js';
import { missing, oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';
import { cPath } from '../../../src/sys/c-path.js';
import { makeNode, setModificationTime } from '../../../src/sys/inode.js';
import { setXattr } from '../../../src/sys/xattr.js';

/** Changes that keep what they can of the rest, each with what the report must say. */
const changes: readonly (readonly [name: string, change: (copy: string) => void, report: RegExp])[] = [
  ['mode', (copy) => chmodSync(`${copy}/setuid`, 0o755), /setuid: mode is 100755, expected 104755/],
  ['one nanosecond', (copy) => setModificationTime(cPath(`${copy}/times/new`), 4_102_444_800, 123_456_790), /times\/new: mtime/],
  ['symlink target', (copy) => { unlinkSync(`${copy}/links/short`); symlinkSync('names/-dosh', `${copy}/links/short`); }, /links\/short: target/],
  ['one byte', (copy) => { const fd = openSync(`${copy}/sizes/100000`, 'r+'); writeSync(fd, Buffer.from([7]), 0, 1, 99_998); closeSync(fd); }, /sizes\/100000: first differing byte is 99998/],
  ['size', (copy) => appendFileSync(`${copy}/sizes/1`, 'x'), /sizes\/1: size is 2/],
  ['a hole filled', (copy) => execFileSync('sh', ['-c', 'cp -a --sparse=never hole-between x && mv x hole-between'], { cwd: `${copy}/sparse` }), /hole-between: allocated/],
  ['xattr value', (copy) => setXattr(cPath(`${copy}/xattrs/some`), 'user.text', Buffer.from('valve')), /xattrs\/some: xattrs/],
  ['a hard link broken', (copy) => execFileSync('sh', ['-c', 'cp -a two x && mv x two'], { cwd: `${copy}/links` }), /link count/],
  ['a hard link to another file', (copy) => { unlinkSync(`${copy}/sizes/60`); linkSync(`${copy}/sizes/61`, `${copy}/sizes/60`); }, /sizes\/61: same file as is sizes\/60/],
  ['missing', (copy) => rmSync(`${copy}/empty-dir`, { recursive: true }), /empty-dir: missing/],
  ['extra', (copy) => writeFileSync(`${copy}/names/extra`, ''), /names\/extra: not expected/],
  ['kind', (copy) => { unlinkSync(`${copy}/special/fifo-again`); writeFileSync(`${copy}/special/fifo-again`, ''); }, /fifo-again: mode/],
  ['directory time', (copy) => utimesSync(`${copy}/private`, 5, 5), /private: mtime/],
];

describe('compareTrees', () => {
  oracleTest(['cp', 'linux'], 'finds a copy by cp -a equal', () => withTempDir((directory) => {
    execFileSync('mkdir', [`${directory}/a`]);
    makeTree(`${directory}/a`);
    execFileSync('cp', ['-a', `${directory}/a`, `${directory}/b`]);
    expect(compareTrees(`${directory}/a`, `${directory}/b`, { directoryLinks: true })).toEqual([]);
  }));

  for (const [name, change, report] of changes) {
    oracleTest(['cp', 'linux'], `reports: ${name}`, () => withTempDir((directory) => {
      execFileSync('mkdir', [`${directory}/a`]);
      makeTree(`${directory}/a`);
      execFileSync('cp', ['-a', `${directory}/a`, `${directory}/b`]);
      change(`${directory}/b`);
      expect(compareTrees(`${directory}/a`, `${directory}/b`).join('\n')).toMatch(report);
    }));
  }

  oracleTest(['cp', 'root'], 'reports: owner and device number', () => withTempDir((directory) => {
    execFileSync('mkdir', [`${directory}/a`]);
    makeTree(`${directory}/a`);
    execFileSync('cp', ['-a', `${directory}/a`, `${directory}/b`]);
    chownSync(`${directory}/b/read-only`, 0, 1);
    unlinkSync(`${directory}/b/special/null`);
    makeNode(cPath(`${directory}/b/special/null`), 0o020640, 1, 5);
    const report = compareTrees(`${directory}/a`, `${directory}/b`).join('\n');
    expect(report).toMatch(/read-only: group is 1, expected 0/);
    expect(report).toMatch(/special\/null: device/);
  }));
});

test('oracle conditions: an unknown command is missing, a shell is not', () => {
  expect(missing(['sh', 'no-such-command-anywhere'])).toEqual(['no-such-command-anywhere']);
});
