import { execFileSync } from 'node:child_process';
import { appendFileSync, chmodSync, mkdirSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fromText } from '../../../src/bytes/byte-string.js';
import { HostReader } from '../../../src/chunk/host-reader.js';
import type { HostFile } from '../../../src/model/content.js';

let folder: string;
let reader: HostReader;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thawfs-test-'));
  reader = new HostReader();
});
afterEach(() => {
  reader.close();
  rmSync(folder, { recursive: true, force: true });
});

function file(name: string, text: string): HostFile {
  const path = join(folder, name);
  writeFileSync(path, text);
  const { size, mtimeMs } = statSync(path);
  return { kind: 'host-file', path: fromText(path), seen: { size, mtimeMs } };
}

function read(from: HostFile, offset: number, length: number): string {
  const target = new Uint8Array(length);
  reader.read(from, offset, target);
  return Buffer.from(target).toString();
}

/** Root may read everything. */
function asNobody(body: () => void): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid!(65534);
  try {
    body();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

const changed = { name: 'ThawfsError', code: 'SOURCE_CHANGED' };

describe('host files', () => {
  test('ranges of several files, in any order', () => {
    const [a, b] = [file('a', 'abcdefgh'), file('ä', '12345678')];
    expect([read(a, 2, 3), read(a, 0, 1), read(b, 7, 1), read(a, 0, 8)]).toEqual(['cde', 'a', '8', 'abcdefgh']);
    reader.settle();
  });

  test('one that was not scanned may be anything', () => {
    const spool: HostFile = { kind: 'host-file', path: file('spool', 'abc').path };
    expect(read(spool, 0, 3)).toBe('abc');
    appendFileSync(join(folder, 'spool'), 'def');
    expect(read(spool, 3, 3)).toBe('def');
    reader.settle();
  });

  test.each([
    ['grown', (path: string) => { appendFileSync(path, 'x'); }],
    ['touched', (path: string) => { utimesSync(path, 1, 1); }],
    ['rewritten with its old size', (path: string) => { writeFileSync(path, 'hgfedcba'); utimesSync(path, 2, 2); }],
  ])('%s before it is read: found when the file is left, or settled', (_, change) => {
    const [a, b] = [file('a', 'abcdefgh'), file('b', 'x')];
    change(join(folder, 'a'));
    read(a, 0, 4);
    expect(() => { reader.settle(); }).toThrow(expect.objectContaining(changed));
    expect(() => read(b, 0, 1)).toThrow(expect.objectContaining(changed));
  });

  test('written to while it is open', () => {
    const a = file('a', 'abcdefgh');
    read(a, 0, 4);
    reader.settle();
    utimesSync(join(folder, 'a'), 1, 1);
    expect(() => { reader.settle(); }).toThrow(expect.objectContaining(changed));
  });

  test('shorter than its ranges', () => {
    const a = file('a', 'abcdefgh');
    truncateSync(join(folder, 'a'), 3);
    expect(() => read(a, 0, 8)).toThrow(expect.objectContaining(changed));
  });

  test('missing', () => {
    const a = file('a', 'abc');
    rmSync(join(folder, 'a'));
    expect(() => read(a, 0, 3)).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }));
  });

  test('a directory in its place', () => {
    const a = file('a', 'abc');
    rmSync(join(folder, 'a'));
    mkdirSync(join(folder, 'a'));
    expect(() => read(a, 0, 3)).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }));
  });

  (process.platform === 'linux' ? test : test.skip)('a pipe in its place does not make it wait', () => {
    const a = file('a', 'abc');
    rmSync(join(folder, 'a'));
    execFileSync('mkfifo', [join(folder, 'a')]);
    expect(() => read(a, 0, 3)).toThrow(expect.objectContaining({ code: 'SOURCE_CHANGED' }));
  });

  test('no right to read it', () => {
    const a = file('a', 'abc');
    chmodSync(folder, 0o755);
    chmodSync(join(folder, 'a'), 0);
    asNobody(() => { expect(() => read(a, 0, 3)).toThrow(expect.objectContaining({ code: 'NOT_PERMITTED' })); });
  });
});
