/** Holds docs/errors.md against the table of codes, and the table against what the code throws. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { exitCodeOf, exitMeanings } from '../../src/cli/exit-codes.js';
import { errorCodes, ThawfsError, type ErrorCode } from '../../src/errors.js';

const codes = Object.keys(errorCodes) as ErrorCode[];
const document = readFileSync('docs/errors.md', 'utf8');

const sources = ['src', 'wasm', 'commands'].flatMap((root) => readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts')).map((name) => readFileSync(`${root}/${name}`, 'utf8')));
/** The table itself spells codes as keys, everything else as strings. */
const thrown = new Set(codes.filter((code) => sources.some((text) => text.includes(`'${code}'`))));

describe('docs/errors.md', () => {
  test('has a heading for every code, and none besides', () => {
    expect([...document.matchAll(/^### (\S+)$/gm)].map((match) => match[1]).sort()).toEqual([...codes].sort());
  });

  test('says meaning, usual cause and remedy of each', () => {
    for (const section of document.split(/^### /m).slice(1)) expect(section).toMatch(/^\w+\n\nMeaning: .+\nUsual cause: .+\nRemedy: .+\n/);
  });

  test('has the exit status of every kind', () => {
    for (const code of codes) expect(document).toContain(`| \`${errorCodes[code]}\` | ${exitCodeOf(new ThawfsError(code, ''))} |`);
  });
});

describe('the table of codes', () => {
  test('every code is thrown somewhere', () => {
    expect(codes.filter((code) => !thrown.has(code))).toEqual([]);
  });

  test('every exit status has its meaning', () => {
    const meant = new Set(exitMeanings.map(([status]) => status));
    expect(codes.map((code) => exitCodeOf(new ThawfsError(code, ''))).filter((status) => !meant.has(status))).toEqual([]);
  });
});
