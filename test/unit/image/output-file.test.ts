import { readdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { writeOutput } from '../../../src/image/output-file.js';
import { withTempDir } from '../../helpers/temp-dir.js';

describe('writeOutput', () => {
  test.each([
    ['the reason of a signal', AbortSignal.abort().reason as unknown],
    ['a reason that is no Error', 'enough'],
    ['a defect', new TypeError('undefined is not a function')],
  ])('%s is thrown on as it is, and nothing is left', (_, reason) => withTempDir(async (folder) => {
    await expect(writeOutput(`${folder}/file`, () => Promise.reject(reason as Error))).rejects.toBe(reason);
    expect(readdirSync(folder)).toEqual([]);
  }));

  test('a system call that fails names the file', () => withTempDir(async (folder) => {
    const failing = writeOutput(`${folder}/file`, () => {
      writeFileSync('/dev/full', 'x');
      return Promise.resolve();
    });
    await expect(failing).rejects.toMatchObject({ code: 'NO_SPACE', message: expect.stringContaining(`writing ${folder}/file: ENOSPC`) as unknown });
  }));
});
