/** Typing errors that are forgiven, and those that are too many. */
import { expect, test } from '@jest/globals';
import { nearest } from '../../../src/cli/nearest.js';

const commands = ['build', 'verify', 'unpack', 'cache ls', 'key generate'];

test.each([
  ['bulid', 'build'], ['buil', 'build'], ['buildd', 'build'], ['guild', 'build'], ['verfiy', 'verify'], ['vrfy', undefined], ['cachels', 'cache ls'],
  ['key genrat', 'key generate'], ['x', undefined], ['', undefined], ['frobnicate', undefined],
])('%s: %s', (word, meant) => { expect(nearest(word, commands)).toBe(meant); });

test('the fewest errors win, then the first', () => {
  expect(nearest('status', ['stats', 'stat', 'status'])).toBe('status');
  expect(nearest('lt', ['ls', 'lx'])).toBe('ls');
});
