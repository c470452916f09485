import { readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { writeOutput } from '../../../src/image/output-file.js';
import { ResumableFile } from '../../../src/update/resumable-file.js';
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

  test('a link to what a process has open, as /dev/stdout is one, stays', () => withTempDir(async (folder) => {
    symlinkSync('/proc/self/fd/1', `${folder}/stdout`);
    await expect(writeOutput(`${folder}/stdout`, () => Promise.resolve())).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(() => ResumableFile.open(`${folder}/stdout`)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    expect(readlinkSync(`${folder}/stdout`)).toBe('/proc/self/fd/1');
    expect(readdirSync(folder)).toEqual(['stdout']);
  }));

  test('no input is replaced, by whatever name', () => withTempDir(async (folder) => {
    writeFileSync(`${folder}/input`, 'precious');
    symlinkSync('input', `${folder}/link`);
    for (const name of ['input', 'link']) {
      await expect(writeOutput(`${folder}/${name}`, () => Promise.resolve(), ['http://host/x', `${folder}/missing`, `${folder}/${name}`])).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    }
    await expect(writeOutput(`${folder}/link`, () => Promise.resolve(), [`${folder}/input`])).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    expect(readdirSync(folder).sort()).toEqual(['input', 'link']);
    await writeOutput(`${folder}/other`, () => Promise.resolve(), [`${folder}/input`]);
  }));

  test('a system call that fails names the file', () => withTempDir(async (folder) => {
    const failing = writeOutput(`${folder}/file`, () => {
      writeFileSync('/dev/full', 'x');
      return Promise.resolve();
    });
    await expect(failing).rejects.toMatchObject({ code: 'NO_SPACE', message: expect.stringContaining(`writing ${folder}/file: ENOSPC`) as unknown });
  }));
});
