import { describe, expect, test } from '@jest/globals';
import { flagSet } from '../../../src/bytes/flag-set.js';

const set = flagSet('test', { one: 0x1, two: 0x2, top: 0x8000_0000 });

describe('flagSet', () => {
  test('makes a word of names, unsigned', () => {
    expect(set.of('one', 'top')).toBe(0x8000_0001);
    expect(set.of()).toBe(0);
  });

  test('names the bits of a word in order, unknown ones by number', () => {
    expect(set.names(0x8000_0006)).toEqual(['two', '0x4', 'top']);
  });

  test('tells whether a flag is set', () => {
    expect(set.has(0x8000_0000, 'top')).toBe(true);
    expect(set.has(0x7fff_fffe, 'one')).toBe(false);
  });

  test('gives the bits outside the known ones', () => {
    expect(set.outside(0xf000_0003)).toBe(0x7000_0000);
    expect(set.outside(0x8000_0003, set.of('two'))).toBe(0x8000_0001);
  });

  test.each([[0], [3], [-1], [2 ** 32], [0.5]])('refuses %p as a bit', (bit) => {
    expect(() => flagSet('bad', { flag: bit })).toThrow('bad.flag');
  });

  test('refuses a bit with two names', () => {
    expect(() => flagSet('bad', { a: 1, b: 1 })).toThrow('bad.b');
  });
});
