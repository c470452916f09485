/** The system calls that node:fs lacks, held against node:fs and the tools where they overlap. */
import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync, symlinkSync, writeFileSync, writeSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { EntryPath, cPath, fromCPath } from '../../../src/sys/c-path.js';
import { makeNode, setModificationTime } from '../../../src/sys/inode.js';
import { fallback, lstatInto, newInode } from '../../../src/sys/lstat.js';
import { dataRanges, isHole } from '../../../src/sys/seek.js';
import { getXattr, listXattrs, setXattr } from '../../../src/sys/xattr.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

describe('paths', () => {
  test('entries of directories of any length, one after another', () => {
    const path = new EntryPath();
    for (const directory of ['/a', `/${'d'.repeat(9000)}`, '', '/b']) {
      path.enter(directory);
      for (const name of ['long-name\xff', 'n'.repeat(255), 'x']) expect(fromCPath(path.of(name))).toBe(`${directory}/${name}`);
    }
  });
});

describe('lstat', () => {
  oracleTest(['linux'], 'says what node:fs says, of every kind', () => withTempDir((directory) => {
    writeFileSync(`${directory}/file`, 'x'.repeat(5000), { mode: 0o640 });
    symlinkSync('nowhere', `${directory}/link`);
    makeNode(cPath(`${directory}/pipe`), 0o010600);
    setModificationTime(cPath(`${directory}/link`), -3, 7);
    setModificationTime(cPath(`${directory}/pipe`), 5_000_000_000, 999_999_999);
    for (const path of [directory, `${directory}/file`, `${directory}/link`, `${directory}/pipe`, '/dev/null', '/proc/self', '/']) {
      const [fast, slow] = [newInode(), newInode()];
      lstatInto(cPath(path), fast);
      fallback(cPath(path), slow);
      // Each way may split the file system's number as it likes: it only tells file systems apart.
      expect({ ...slow, fileSystemMajor: 0, fileSystemMinor: 0 }).toEqual({ ...fast, fileSystemMajor: 0, fileSystemMinor: 0 });
      const stats = lstatSync(path, { bigint: true });
      expect([fast.mode, BigInt(fast.mtimeSeconds) * 1_000_000_000n + BigInt(fast.mtimeNanoseconds)]).toEqual([Number(stats.mode), stats.mtimeNs]);
    }
  }));

  test('fails as node:fs does', () => {
    for (const call of [lstatInto, fallback]) expect(() => call(cPath('/no/such'), newInode())).toThrow(expect.objectContaining({ code: 'ENOENT', syscall: 'lstat' }));
  });
});

describe('makeNode and setModificationTime', () => {
  oracleTest(['root'], 'devices have the numbers that stat prints', () => withTempDir((directory) => {
    for (const [major, minor] of [[1, 3], [4095, 1_048_575], [300, 70_000]] as const) {
      const path = `${directory}/${major}`;
      makeNode(cPath(path), 0o020600, major, minor);
      const inode = newInode();
      lstatInto(cPath(path), inode);
      expect([inode.deviceMajor, inode.deviceMinor]).toEqual([major, minor]);
      fallback(cPath(path), inode);
      expect([inode.deviceMajor, inode.deviceMinor]).toEqual([major, minor]);
    }
  }));

  oracleTest(['linux'], 'what is there is not replaced', () => withTempDir((directory) => {
    writeFileSync(`${directory}/f`, '');
    expect(() => makeNode(cPath(`${directory}/f`), 0o010600)).toThrow(expect.objectContaining({ code: 'EEXIST', syscall: 'mknod' }));
    expect(() => setModificationTime(cPath(`${directory}/none`), 0, 0)).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  }));
});

describe('extended attributes', () => {
  oracleTest(['linux'], 'set, list and get; of the path itself', () => withTempDir((directory) => {
    writeFileSync(`${directory}/f`, '');
    symlinkSync('f', `${directory}/link`);
    const path = cPath(`${directory}/f`);
    expect(listXattrs(path)).toEqual([]);
    setXattr(path, 'user.b', Buffer.from([0, 1, 255]));
    setXattr(path, 'user.\xff', Buffer.alloc(0));
    expect([...listXattrs(path)].sort()).toEqual(['user.b', 'user.\xff']);
    expect(getXattr(path, 'user.b')).toEqual(new Uint8Array([0, 1, 255]));
    expect(getXattr(path, 'user.\xff')).toEqual(new Uint8Array(0));
    expect(getXattr(path, 'user.none')).toBeUndefined();
    expect(listXattrs(cPath(`${directory}/link`))).toEqual([]);
    expect(() => setXattr(path, 'nonsense', Buffer.alloc(1))).toThrow(expect.objectContaining({ code: 'ENOTSUP' }));
    expect(() => listXattrs(cPath(`${directory}/none`))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(listXattrs(cPath('/proc/self/status'))).toEqual([]);
  }));
});

describe('dataRanges', () => {
  oracleTest(['linux'], 'holes of a file, at its start, inside, at its end; all of it; none of it', () => withTempDir((directory) => {
    const mega = 1 << 20;
    mkdirSync(`${directory}/d`);
    const rangesOf = (size: number, writes: readonly number[]): unknown[] => {
      const fd = openSync(`${directory}/f`, 'w+');
      try {
        ftruncateSync(fd, size);
        for (const at of writes) writeSync(fd, 'x', at);
        const ranges = [...dataRanges(fd, size)];
        for (let at = 0; at < Math.min(size, 4 * mega); at += 8192) {
          expect([at, isHole(fd, at, 8192)]).toEqual([at, !ranges.some(({ start, end }) => start < at + 8192 && end > at)]);
        }
        expect(isHole(fd, size, 1)).toBe(true);
        return ranges;
      } finally {
        closeSync(fd);
      }
    };
    expect(rangesOf(3 * mega, [mega])).toEqual([{ start: mega, end: mega + 4096 }]);
    expect(rangesOf(3 * mega + 5, [0, 3 * mega + 4])).toEqual([{ start: 0, end: 4096 }, { start: 3 * mega, end: 3 * mega + 5 }]);
    expect(rangesOf(mega, [])).toEqual([]);
    expect(rangesOf(10, [0])).toEqual([{ start: 0, end: 10 }]);
    expect(rangesOf(0, [])).toEqual([]);
    expect(rangesOf(8 * 2 ** 30, [5 * 2 ** 30])).toEqual([{ start: 5 * 2 ** 30, end: 5 * 2 ** 30 + 4096 }]);
  }));
});
