import { closeSync, openSync, writeSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { expect, test } from '@jest/globals';
import { isReadable } from '../../../src/sys/poll.js';
import { withTempDir } from '../../helpers/temp-dir.js';

test('a pipe is readable when something is in it', () => withTempDir((folder) => {
  execFileSync('mkfifo', [`${folder}/pipe`]);
  const pipe = openSync(`${folder}/pipe`, 'r+');
  try {
    expect(isReadable(pipe)).toBe(false);
    writeSync(pipe, 'x');
    expect(isReadable(pipe)).toBe(true);
  } finally {
    closeSync(pipe);
  }
}));
