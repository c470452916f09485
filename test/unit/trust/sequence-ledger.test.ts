import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SequenceLedger, stateFolder } from '../../../src/trust/sequence-ledger.js';
import { withTempDir } from '../../helpers/temp-dir.js';

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];

/** @returns the path of the only record */
const record = (folder: string): string => join(folder, 'sequences', readdirSync(join(folder, 'sequences')).find((name) => name.endsWith('.json'))!);

describe('ledger', () => {
  test('remembers per name and key, and never lowers', () => withTempDir((folder) => {
    const ledger = new SequenceLedger(folder);
    expect(ledger.lastSeen('app', [a])).toBe(0);
    ledger.raise('app', [a], 5);
    ledger.raise('app', [a], 3);
    ledger.raise('app', [b], 2);
    expect(ledger.lastSeen('app', [a])).toBe(5);
    expect(ledger.lastSeen('app', [b])).toBe(2);
    expect(ledger.lastSeen('app', [b, a])).toBe(5);
    expect(ledger.lastSeen('app', [])).toBe(0);
    expect(ledger.lastSeen('other', [a])).toBe(0);
    expect(new SequenceLedger(folder).lastSeen('app', [a])).toBe(5);
  }));

  test('a key that joins inherits nothing, a key that leaves takes nothing away', () => withTempDir((folder) => {
    const ledger = new SequenceLedger(folder);
    ledger.raise('app', [a], 9);
    ledger.raise('app', [a, b], 10);
    expect(ledger.lastSeen('app', [b])).toBe(10);
  }));

  test('any name is one file inside the folder', () => withTempDir((folder) => {
    const ledger = new SequenceLedger(folder);
    for (const name of ['../../etc/passwd', 'a/b', '.', 'ä', '__proto__', 'x'.repeat(255)]) {
      ledger.raise(name, [a], 1);
      expect(ledger.lastSeen(name, [a])).toBe(1);
    }
    expect(readdirSync(folder)).toEqual(['sequences']);
    expect(readdirSync(join(folder, 'sequences')).filter((name) => /^[0-9a-f]{64}\.json$/.test(name))).toHaveLength(6);
  }));

  test('what does not rise is not written: nobody needs a state folder for it', () => withTempDir((folder) => {
    new SequenceLedger(join(folder, 'state')).raise('app', [], 5);
    new SequenceLedger(join(folder, 'state')).raise('app', [a], 0);
    expect(readdirSync(folder)).toEqual([]);
    const ledger = new SequenceLedger(folder);
    ledger.raise('app', [a], 5);
    const { ino } = statSync(record(folder));
    ledger.raise('app', [a], 5);
    expect(statSync(record(folder)).ino).toBe(ino);
  }));

  test('reading makes nothing', () => withTempDir((folder) => {
    new SequenceLedger(join(folder, 'state')).lastSeen('app', [a]);
    expect(existsSync(join(folder, 'state'))).toBe(false);
  }));

  test.each([
    ['empty', () => ''],
    ['torn', (text: string) => text.slice(0, -3)],
    ['of another name', (text: string) => text.replace('app', 'apq')],
    ['with a negative sequence', (text: string) => text.replace('5', '-5')],
    ['with a key that is none', (text: string) => text.replace(/aa/, 'a')],
    ['with more fields', (text: string) => text.replace('{', '{"a":1,')],
    ['null', () => 'null'],
  ])('a record that is %s is an error, and stays', (_, damage) => withTempDir((folder) => {
    const ledger = new SequenceLedger(folder);
    ledger.raise('app', [a], 5);
    const path = record(folder);
    const damaged = damage(readFileSync(path, 'utf8'));
    writeFileSync(path, damaged);
    const error = expect.objectContaining({ code: 'BAD_FIELD', message: expect.stringContaining(path) as unknown });
    expect(() => ledger.lastSeen('app', [a])).toThrow(error);
    expect(() => ledger.raise('app', [a], 6)).toThrow(error);
    expect(readFileSync(path, 'utf8')).toBe(damaged);
  }));

  test('a folder that cannot be made is a typed error', () => withTempDir((folder) => {
    writeFileSync(join(folder, 'file'), '');
    expect(() => new SequenceLedger(join(folder, 'file')).raise('app', [a], 1)).toThrow(expect.objectContaining({ name: 'ThawfsError', kind: 'not-found' }));
  }));

  test('several processes at once lose nothing', () => withTempDir(async (folder) => {
    const module = new URL('../../../src/trust/sequence-ledger.js', import.meta.url).href;
    const keys = ['1', '2', '3'].map((digit) => digit.repeat(64));
    const script = `
      import { SequenceLedger } from '${module}';
      const ledger = new SequenceLedger('${folder}');
      for (let i = 1; i <= 40; i++) { ledger.raise('app', [process.argv[1]], i); ledger.raise('app', ['${a}'], i * 3 + Number(process.argv[1][0])); }`;
    const codes = await Promise.all(keys.map((key) => new Promise((resolve) => {
      spawn(process.execPath, ['--input-type=module', '-e', script, key], { stdio: 'inherit' }).on('close', resolve);
    })));
    expect(codes).toEqual([0, 0, 0]);
    const ledger = new SequenceLedger(folder);
    expect(keys.map((key) => ledger.lastSeen('app', [key]))).toEqual([40, 40, 40]);
    expect(ledger.lastSeen('app', [a])).toBe(123);
  }));
});

describe('state folder', () => {
  test('follows the XDG specification, and root has a place of the system', () => {
    expect(stateFolder({ XDG_STATE_HOME: '/state', HOME: '/home/u' }, false)).toBe('/state/thawfs');
    expect(stateFolder({ XDG_STATE_HOME: '/state', HOME: '/root' }, true)).toBe('/state/thawfs');
    expect(stateFolder({ XDG_STATE_HOME: 'relative', HOME: '/home/u' }, false)).toBe('/home/u/.local/state/thawfs');
    expect(stateFolder({ HOME: '/home/u' }, false)).toBe('/home/u/.local/state/thawfs');
    expect(stateFolder({ HOME: '/root' }, true)).toBe('/var/lib/thawfs');
  });
});
