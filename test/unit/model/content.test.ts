/** What a piece's source is, is said by its tag and by nothing else. */
import { expect, test } from '@jest/globals';
import { isHostFile } from '../../../src/model/content.js';

test('an access that happens to know a path is no file of this machine', () => {
  const access = { path: '/etc/passwd', size: 1, read: () => new Uint8Array(1) };
  expect(isHostFile(access)).toBe(false);
  expect(isHostFile(new Uint8Array(1))).toBe(false);
  expect(isHostFile({ kind: 'host-file', path: '/etc/passwd' })).toBe(true);
});
