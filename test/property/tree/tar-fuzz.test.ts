/** Random damage to proper archives ends in a typed error or in a tree, never in anything else. */
import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ThawfsError } from '../../../src/errors.js';
import { walk } from '../../../src/model/tree.js';
import { formatDump } from '../../../src/tree/dump.js';
import { readTar } from '../../../src/tree/from-tar.js';
import { archive, entry, pax } from '../../helpers/tar-writer.js';

const sparse = { 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.name': 's', 'GNU.sparse.realsize': '20000' };
const sample = archive(
  entry({ name: './', type: '5' }), entry({ name: 'd', type: '5' }), entry({ name: 'x', type: 'L', data: `${'l'.repeat(200)}\0` }), entry({ name: 'cut', data: 'abc' }),
  pax({ path: 'd/p', mtime: '-1.5', 'SCHILY.xattr.user.x': '\0\xff', 'SCHILY.acl.access': 'user::rw-,user:5:r--,group::r--,mask::r--,other::---' }), entry({ data: 'x'.repeat(600) }),
  pax(sparse), entry({ data: `${'1\n4096\n5\n'.padEnd(512, '\0')}hello` }),
  entry({ name: 'h', type: '1', linkName: 'd/p' }), entry({ name: 'l', type: '2', linkName: 't' }), entry({ name: 'c', type: '3', deviceMajor: 1, deviceMinor: 3 }),
);

/** Makes the checksum of every header right again, so that damage gets past it. */
function mend(bytes: Buffer): Buffer {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    if (bytes.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    bytes.fill(0x20, at + 148, at + 156);
    const sum = bytes.subarray(at, at + 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
  return bytes;
}

const damage = fc.array(fc.tuple(fc.nat(sample.length - 1), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 12 });

async function outcome(bytes: Uint8Array): Promise<string> {
  try {
    const source = await readTar(Readable.from([bytes]), { memoryLimit: 1 << 24 });
    const names = [...walk(source.root)].map(({ path }) => path);
    expect(names.every((path) => !path.split('/').includes('..') && !path.startsWith('/'))).toBe(true);
    source.dispose();
    return formatDump(source.root);
  } catch (error) {
    if (!(error instanceof ThawfsError)) throw error;
    return error.code;
  }
}

describe('a damaged tar', () => {
  test('the sample itself is proper', async () => {
    expect((await outcome(sample)).split('\n')).toHaveLength(9); // eight names and the end
  });

  test('with bytes replaced and checksums mended', async () => {
    await fc.assert(fc.asyncProperty(damage, async (changes) => {
      const bytes = Buffer.from(sample);
      for (const [at, value] of changes) bytes[at] = value;
      await outcome(mend(bytes));
    }), { numRuns: 1500 });
  });

  test('with blocks moved, repeated and left out', async () => {
    const blocks = fc.array(fc.nat(sample.length / 512 - 1), { minLength: 1, maxLength: 40 });
    await fc.assert(fc.asyncProperty(blocks, async (order) => {
      await outcome(Buffer.concat(order.map((block) => sample.subarray(512 * block, 512 * block + 512))));
    }), { numRuns: 800 });
  });

  test('however the stream is cut into chunks, the result is the same', async () => {
    const expected = await outcome(sample);
    await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 20 }), async (sizes) => {
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < sample.length; i++) {
        const size = sizes[i % sizes.length]!;
        chunks.push(sample.subarray(at, at + size));
        at += size;
      }
      const source = await readTar(Readable.from(chunks));
      expect(formatDump(source.root)).toBe(expected);
      source.dispose();
    }), { numRuns: 100 });
  });
});
