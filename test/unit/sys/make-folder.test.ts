import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { makeFolder } from '../../../src/sys/make-folder.js';
import { oracleTest } from '../../helpers/oracle.js';
import { withTempDir } from '../../helpers/temp-dir.js';

describe('makeFolder', () => {
  test('makes what is missing, with its mode, and again nothing', () => withTempDir((folder) => {
    for (let i = 0; i < 2; i++) makeFolder(`${folder}/a/b/c`, 0o700);
    for (const name of ['a', 'a/b', 'a/b/c']) expect(statSync(`${folder}/${name}`).mode & 0o777).toBe(0o700);
    symlinkSync('a', `${folder}/link`);
    makeFolder(`${folder}/link/b`);
    makeFolder('/');
  }));

  test('takes names that are not UTF-8', () => withTempDir((folder) => {
    const path = Buffer.concat([Buffer.from(`${folder}/a/`), Buffer.of(0xff), Buffer.from('/b')]);
    makeFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
  }));

  test('tells what is in the way', () => withTempDir((folder) => {
    writeFileSync(`${folder}/file`, '');
    symlinkSync('nowhere', `${folder}/dangling`);
    mkdirSync(`${folder}/folder`);
    expect(() => { makeFolder(`${folder}/file`); }).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(() => { makeFolder(`${folder}/file/a/b`); }).toThrow(expect.objectContaining({ code: 'ENOTDIR' }));
    expect(() => { makeFolder(`${folder}/dangling/a`); }).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  }));

  oracleTest(['linux'], 'comes back where the kernel makes none', () => {
    for (const path of ['/proc/x', '/proc/x/y', Buffer.from('/proc/self/x')]) expect(() => { makeFolder(path); }).toThrow(expect.objectContaining({ code: 'NOT_PERMITTED' }));
  });
});

test('nobody uses the way of Node', () => {
  const files = ['src', 'commands'].flatMap((root) => readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).map((name) => `${root}/${name}`));
  expect(files.filter((file) => /\bmkdir(?:Sync)?\([^;]*recursive/.test(readFileSync(file, 'utf8')))).toEqual([]);
});
