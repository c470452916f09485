import { describe, expect, test } from '@jest/globals';
import { clampTime, withClampTime } from '../../../src/cli/clamp-mtime.js';
import { parseOwner, parsePlatform, parseTime } from '../../../src/cli/flags.js';

const badArgument: unknown = expect.objectContaining({ code: 'BAD_ARGUMENT' });

describe('parseTime', () => {
  test.each([
    ['2030-01-31', Date.UTC(2030, 0, 31) / 1000], ['2030-01-31T12:00:00Z', Date.UTC(2030, 0, 31, 12) / 1000],
    ['2030-01-31T12:00:00', Date.UTC(2030, 0, 31, 12) / 1000], ['2030-01-31 12:00:00+02:00', Date.UTC(2030, 0, 31, 10) / 1000],
    ['1700000000', 1700000000], ['@1700000000', 1700000000], ['30d', 1000 + 30 * 86400], ['+12h', 1000 + 12 * 3600], ['0', 0],
  ])('%s', (text, seconds) => expect(parseTime(text, '--expires', 1000.7)).toBe(seconds));

  test.each(['', 'soon', '30x', '2030-13-01', '2030-1-1', '-5', '1e3', '99999999999999999999', '1960-01-01'])('%j is refused', (text) => {
    expect(() => parseTime(text, '--expires', 0)).toThrow(badArgument);
  });
});

describe('parseOwner', () => {
  test('two numbers', () => expect(parseOwner('0:4294967294', '--owner')).toEqual({ uid: 0, gid: 4294967294 }));
  test.each(['', '0', 'root:root', '0:', ':0', '-1:0', '0:4294967295', '0:0:0'])('%j is refused', (text) => {
    expect(() => parseOwner(text, '--owner')).toThrow(badArgument);
  });
});

describe('parsePlatform', () => {
  test.each([['linux/arm64', { os: 'linux', architecture: 'arm64' }], ['linux/arm/v7', { os: 'linux', architecture: 'arm', variant: 'v7' }]])('%s', (text, platform) => {
    expect(parsePlatform(text, '--platform')).toEqual(platform);
  });
  test.each(['', 'arm64', 'linux/', '/arm64', 'linux/arm/v7/x', 'Linux/ARM64', 'linux arm64'])('%j is refused', (text) => {
    expect(() => parsePlatform(text, '--platform')).toThrow(badArgument);
  });
});

describe('--clamp-mtime', () => {
  test.each([
    [['--clamp-mtime', 'src', '-o', 'x'], ['--clamp-mtime=SOURCE_DATE_EPOCH', 'src', '-o', 'x']],
    [['src', '--clamp-mtime'], ['src', '--clamp-mtime=SOURCE_DATE_EPOCH']],
    [['--clamp-mtime', '1700000000', 'src'], ['--clamp-mtime=1700000000', 'src']],
    [['--clamp-mtime=5', 'src'], ['--clamp-mtime=5', 'src']],
    [['--', '--clamp-mtime'], ['--', '--clamp-mtime']],
  ])('%j', (argv, expected) => expect(withClampTime(argv)).toEqual(expected));

  test('takes the environment, a time, or nothing', () => {
    expect(clampTime('SOURCE_DATE_EPOCH', { SOURCE_DATE_EPOCH: '1700000000' })).toBe(1700000000);
    expect(clampTime('2024-01-31', {})).toBe(Date.UTC(2024, 0, 31) / 1000);
    expect(clampTime(undefined, { SOURCE_DATE_EPOCH: '1' })).toBeUndefined();
  });

  test.each([{}, { SOURCE_DATE_EPOCH: 'yesterday' }])('without a usable environment: %j', (environment) => {
    expect(() => clampTime('SOURCE_DATE_EPOCH', environment)).toThrow(badArgument);
  });
});
