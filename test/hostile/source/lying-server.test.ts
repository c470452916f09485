/** Every lie has its error: never a wrong length, never a hang, never a crash. */
import { describe, expect, test } from '@jest/globals';
import { openSource } from '../../../src/source/open-source.js';
import { lies, lying, type LieName } from '../../helpers/lying-server.js';
import { withRangeServer } from '../../helpers/range-server.js';

const content = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251));
const options = { idleTimeout: 300, transferTimeout: 700, retry: { attempts: 2, sleep: () => Promise.resolve() } };

/** [to the opening request, to a later one]; undefined: not a source's business, chunks and pages have digests. */
const expected: Readonly<Record<LieName, readonly [string | undefined, string | undefined]>> = {
  'whole file for a range': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'wrong bytes': [undefined, undefined],
  'bytes of another place': [undefined, undefined],
  'truncated body': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'short body without a length': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'long body without a length': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'reset in mid-body': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'endless slow body': ['TIMEOUT', 'TIMEOUT'],
  'silence': ['TIMEOUT', 'TIMEOUT'],
  'silence in mid-body': ['TIMEOUT', 'TIMEOUT'],
  'another range': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'a range that ends before it begins': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'no content-range': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'unknown size': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'several parts': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'compressed body': ['RANGE_NOT_SUPPORTED', 'RANGE_NOT_SUPPORTED'],
  'changed etag': [undefined, undefined], // the bytes are right
  'changed size': [undefined, 'SOURCE_CHANGED'],
  'range not satisfiable': ['TRUNCATED', 'SOURCE_CHANGED'],
  'redirect loop': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'redirect to a file': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'redirect to nowhere': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'not authorised': ['AUTH_REQUIRED', 'AUTH_REQUIRED'],
  'forbidden': ['AUTH_REQUIRED', 'AUTH_REQUIRED'],
  'not found': ['OBJECT_MISSING', 'OBJECT_MISSING'],
  'busy': ['HTTP_STATUS', 'HTTP_STATUS'],
  'teapot': ['HTTP_STATUS', 'HTTP_STATUS'],
  'not HTTP': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
  'endless header': ['SOURCE_UNREACHABLE', 'SOURCE_UNREACHABLE'],
};

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe.each(Object.keys(lies) as LieName[])('%s', (name) => {
  test('in answer to the opening request', async () => {
    await withRangeServer(content, { interfere: lying(name) }, async ({ url }) => {
      const opening = openSource(url, 1000, options);
      expect(await codeOf(opening)).toBe(expected[name][0]);
      await opening.then(({ source }) => source.close(), () => undefined);
    });
  });

  test('in answer to a later one', async () => {
    await withRangeServer(content, { interfere: lying(name, 2) }, async ({ url }) => {
      const { source } = await openSource(url, 1000, options);
      const read = source.read(5000, 100_000);
      expect(await codeOf(read)).toBe(expected[name][1]);
      await read.then((bytes) => { expect(bytes).toHaveLength(100_000); }, () => undefined);
      await source.close();
    });
  });
});
