import { describe, expect, test } from '@jest/globals';
import { exitCodeOf } from '../../../src/cli/exit-codes.js';
import { classify, describeFailure, failureText } from '../../../src/cli/failure.js';
import { paintFor } from '../../../src/cli/paint.js';
import { ThawfsError } from '../../../src/errors.js';

const plain = paintFor({});

describe('describeFailure', () => {
  test('carries code, kind, detail, suggestion and the whole chain of causes', () => {
    const root = Object.assign(new Error('disk on fire'), { code: 'EIO' });
    const error = new ThawfsError('IO_FAILED', 'reading x', { detail: { offset: 7 }, suggestion: 'Look at dmesg.', cause: new Error('layer', { cause: root }) });
    expect(describeFailure(error)).toEqual({
      code: 'IO_FAILED', kind: 'resource', exitCode: 7, message: 'reading x', detail: { offset: 7 }, suggestion: 'Look at dmesg.',
      causes: [{ name: 'Error', message: 'layer' }, { name: 'Error', message: 'disk on fire', code: 'EIO' }],
    });
  });

  test('an error without a suggestion gets that of its kind', () => {
    expect(describeFailure(new ThawfsError('TRUNCATED', 'x')).suggestion).toBe('Check that it is the file you mean; if it is, fetch or copy it again.');
  });

  test('a chain that bites its tail ends', () => {
    const error = new Error('a');
    error.cause = error;
    expect(describeFailure(error).causes).toHaveLength(8);
  });

  test('what is no ThawfsError is a defect: status 1, with the stack', () => {
    const defect = describeFailure(new TypeError('x is undefined'));
    expect(defect).toMatchObject({ code: 'UNEXPECTED', exitCode: 1, message: 'TypeError: x is undefined' });
    expect(defect.stack).toContain('failure.test');
    expect(describeFailure('text')).toMatchObject({ code: 'UNEXPECTED', exitCode: 1, message: "Error: 'text'" });
  });
});

describe('classify', () => {
  const usage = (message: string): Error => Object.assign(new Error(message), { oclif: { exit: 2 } });

  test.each([
    ['Nonexistent flag: --x\nSee more help with --help', 'Nonexistent flag: --x'],
    ['Parsing --level \n\tExpected an integer but received: a\nSee more help with --help', '--level: Expected an integer but received: a'],
  ])('oclif says %j', (said, message) => {
    expect(classify(usage(said), 'key:generate')).toMatchObject({ code: 'BAD_ARGUMENT', message, suggestions: ['See thawfs key generate --help'] });
  });

  test('a parser\'s own error gets its message back, and keeps the rest', () => {
    const error = new ThawfsError('BAD_ARGUMENT', 'Parsing --size \n\t--size: "x" is not a size\nSee more help with --help', { detail: { value: 'x' }, suggestion: 'Write 64K.' });
    expect(classify(error)).toMatchObject({ code: 'BAD_ARGUMENT', message: '--size: "x" is not a size', detail: { value: 'x' }, suggestions: ['Write 64K.'] });
  });

  test('a system call that nobody named gets the code of its errno', () => {
    expect(classify(Object.assign(new Error('ENOSPC: no space'), { syscall: 'write', errno: -28, code: 'ENOSPC' }))).toMatchObject({ code: 'NO_SPACE' });
  });

  test('anything else stays what it is', () => {
    const error = new TypeError('x');
    expect(classify(error)).toBe(error);
  });
});

describe('exitCodeOf', () => {
  test.each([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]])('%s', (signal, status) => {
    expect(exitCodeOf(new ThawfsError('INTERRUPTED', '', { detail: { signal } }))).toBe(status);
  });
});

test('failureText: what happened, code, cause, what to do', () => {
  const error = new ThawfsError('SOURCE_UNREACHABLE', 'http://x/: refused', { suggestion: 'Try curl.', cause: new Error('ECONNREFUSED 127.0.0.1:1') });
  expect(failureText(describeFailure(error), plain)).toBe([
    'Error: http://x/: refused', '  code: SOURCE_UNREACHABLE (source, exit status 4)', '  cause: ECONNREFUSED 127.0.0.1:1', '  try: Try curl.', '',
  ].join('\n'));
});

test('paintFor: colours only on a terminal that has them', () => {
  expect(paintFor({ isTTY: true, hasColors: () => true }).red('x')).toBe('\x1b[31mx\x1b[39m');
  expect(paintFor({ isTTY: true, hasColors: () => false }).red('x')).toBe('x');
  expect(plain.red('x')).toBe('x');
});
