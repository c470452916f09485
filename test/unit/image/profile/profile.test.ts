import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeProfile, encodeProfile, PROFILE_MAX_RANGES, type ProfileVisit } from '../../../../src/image/profile/profile.js';
import { hasCode } from '../../../../src/errors.js';

const rootHash = 'ab'.repeat(32);
const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

function codeOf(bytes: Uint8Array): string | undefined {
  try {
    decodeProfile(bytes);
    return undefined;
  } catch (error) {
    if (hasCode(error)) return error.code;
    throw error;
  }
}

describe('the text of a profile', () => {
  test('what is written is read again, whatever bytes names have', () => {
    const name = fc.string({ unit: fc.integer({ min: 1, max: 255 }).filter((code) => code !== 47).map((code) => String.fromCharCode(code)), minLength: 1, maxLength: 12 }).filter((part) => part !== '.' && part !== '..');
    const range = fc.record({ offset: fc.nat(1 << 30), length: fc.integer({ min: 1, max: 1 << 20 }) });
    const visit = fc.record({ path: fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join('/')}`), ranges: fc.array(range, { maxLength: 4 }) }) as fc.Arbitrary<ProfileVisit>;
    fc.assert(fc.property(fc.array(visit, { maxLength: 8 }), (visits) => {
      expect(decodeProfile(encodeProfile({ rootHash, visits }))).toEqual({ rootHash, visits });
    }));
  });

  test.each([
    ['another file', 'hello\n', 'BAD_MAGIC'],
    ['nothing', '', 'BAD_MAGIC'],
    ['a later version', `thawfs-profile 2 ${rootHash}\n`, 'VERSION_UNSUPPORTED'],
    ['a cut line', `thawfs-profile 1 ${rootHash}\n/a - -`, 'TRUNCATED'],
    ['a cut first line', `thawfs-profile 1 ${rootHash}`, 'TRUNCATED'],
    ['two fields', `thawfs-profile 1 ${rootHash}\n/a -\n`, 'BAD_FIELD'],
    ['four fields', `thawfs-profile 1 ${rootHash}\n/a - - -\n`, 'BAD_FIELD'],
    ['a path that goes up', `thawfs-profile 1 ${rootHash}\n/a/../../etc - -\n`, 'BAD_FIELD'],
    ['a relative path', `thawfs-profile 1 ${rootHash}\na - -\n`, 'BAD_FIELD'],
    ['a path with a zero byte', `thawfs-profile 1 ${rootHash}\n/a\\x00 - -\n`, 'BAD_FIELD'],
    ['a range that ends before it begins', `thawfs-profile 1 ${rootHash}\n/a 5-4 -\n`, 'BAD_FIELD'],
    ['a range beyond all files', `thawfs-profile 1 ${rootHash}\n/a 0-9999999999999999 -\n`, 'BAD_FIELD'],
    ['a range with a sign', `thawfs-profile 1 ${rootHash}\n/a -1-4 -\n`, 'BAD_FIELD'],
    ['a short digest', `thawfs-profile 1 ${rootHash}\n/a - abcd\n`, 'BAD_FIELD'],
    ['too many ranges', `thawfs-profile 1 ${rootHash}\n/a ${Array.from({ length: PROFILE_MAX_RANGES + 1 }, (_, i) => `${2 * i}-${2 * i}`).join(',')} -\n`, 'LIMIT_EXCEEDED'],
    ['too many lines', `thawfs-profile 1 ${rootHash}\n${'/a - -\n'.repeat(262_145)}`, 'LIMIT_EXCEEDED'],
  ])('%s is refused', (_, profile, code) => { expect(codeOf(text(profile))).toBe(code); });

  test('a profile that is as it should be is not refused', () => { expect(codeOf(text(`thawfs-profile 1 ${rootHash}\n/ 0-4095 -\n/a 0-0 ${rootHash}\n`))).toBeUndefined(); });
});
